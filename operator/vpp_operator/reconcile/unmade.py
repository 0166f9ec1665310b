"""Why a StatefulSet lacks a pod: a quota, a policy or a storage class speaks through Events alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vpp_operator.ports import EVENT, Kubernetes, Manifest
from vpp_operator.reconcile.gather import Picture

_FAILED: Final = "involvedObject.kind=StatefulSet,reason=FailedCreate"


async def why_unmade(kubernetes: Kubernetes, picture: Picture) -> Mapping[str, str]:
    """Return by name of a StatefulSet what was last said of pods or claims that could not be made for it.

    Nothing is asked while no pod is missing.

    Raises:
        Unavailable: the API server does not answer.
    """
    lacking = {
        document["metadata"]["uid"]: name
        for (kind, name), document in picture.owned.items()
        if kind == "StatefulSet" and _pods(picture, name) < document["spec"]["replicas"]
    }
    if not lacking:
        return {}
    events = await kubernetes.list(EVENT, picture.namespace, fields=_FAILED)
    return {
        lacking[event["involvedObject"]["uid"]]: str(event.get("message", ""))
        for event in sorted(events, key=_last_seen)
        if event["involvedObject"].get("uid") in lacking
    }


def _pods(picture: Picture, name: str) -> int:
    return sum(pod.name.rpartition("-")[0] == name for pod in picture.pods)


def _last_seen(event: Manifest) -> str:
    return str(event.get("lastTimestamp") or event["metadata"].get("creationTimestamp") or "")
