"""From wanted manifests to the API server: only what differs is written, so that a steady state writes nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from vpp_operator.metrics import WRITES
from vpp_operator.ports import OWNED_KINDS, POD, Kubernetes, Manifest, Refused
from vpp_operator.reconcile.gather import Picture, is_deleting
from vpp_operator.resources.metadata import HASH_ANNOTATION, MANAGED_BY, MANAGED_BY_LABEL, digest

_LOG = logging.getLogger(__name__)
_KINDS = {kind.kind: kind for kind in OWNED_KINDS}


def covers(live: Any, wanted: Any) -> bool:
    """Tell whether a live object says all that is wanted; what else it says (defaults, status) does not count.

    Lists must have the same length: an item too many is a drift like one too few.
    """
    if isinstance(wanted, Mapping):
        return isinstance(live, Mapping) and all(
            covers(live.get(name), value) or (_empty(value) and name not in live) for name, value in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return (
            isinstance(live, list)
            and len(live) == len(wanted)
            and all(covers(one, other) for one, other in zip(live, wanted, strict=True))
        )
    return bool(live == wanted)


def _empty(value: Any) -> bool:
    """The API server leaves out empty lists, maps and texts."""
    return value is None or value in ([], (), {}, "", False)


def stamped(manifest: Manifest) -> dict[str, Any]:
    """Return a manifest with its own hash as an annotation.

    A live object with the same hash was made from the same manifest: only so is it seen that a field is to go, because
    `covers` does not mind what a live object says beyond the manifest.
    """
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), HASH_ANNOTATION: digest(manifest)}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


async def apply_all(kubernetes: Kubernetes, picture: Picture, wanted: Sequence[Manifest]) -> int:
    """Apply what differs and delete owned objects that are no longer wanted; return the number of writes.

    Raises:
        Refused: the API server refuses a manifest; all the others have been applied nevertheless.
        Unavailable: it does not answer.
    """
    writes = 0
    refusals: list[str] = []
    for manifest in map(stamped, wanted):
        key = (manifest["kind"], manifest["metadata"]["name"])
        live = picture.owned.get(key)
        if live is not None and (is_deleting(live) or covers(live, manifest)):
            continue
        if live is None and await _is_somebody_elses(kubernetes, manifest):
            there = f"{key[0]} {picture.namespace}/{key[1]}"
            refusals.append(f"{there} is there already and is not the operator's; give it another name")
            continue
        try:
            await kubernetes.apply(manifest)
        except Refused as error:
            refusals.append(str(error))
            continue
        WRITES.labels(kind=manifest["kind"]).inc()
        _LOG.info("%s %s %s/%s", "made" if live is None else "changed", key[0], picture.namespace, key[1])
        writes += 1
    writes += await _remove_unwanted(kubernetes, picture, wanted)
    if refusals:
        raise Refused("; ".join(refusals))
    return writes


async def _is_somebody_elses(kubernetes: Kubernetes, manifest: Manifest) -> bool:
    """Tell whether an object of that name is there that neither labels nor owner give to the operator.

    Applying would take it over, and deleting the plant would delete it.
    """
    metadata = manifest["metadata"]
    found = await kubernetes.get(_KINDS[manifest["kind"]], metadata["namespace"], metadata["name"])
    if found is None or found["metadata"].get("labels", {}).get(MANAGED_BY_LABEL) == MANAGED_BY:
        return False
    return not set(_owners(found)).intersection(_owners(manifest))


async def _remove_unwanted(kubernetes: Kubernetes, picture: Picture, wanted: Sequence[Manifest]) -> int:
    """Delete what the owners of the wanted objects also own, but want no longer.

    Objects of other owners stay: theirs may be a resource that could not be read, or one that is on its way out.
    """
    names = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in wanted}
    owners = {owner for manifest in wanted for owner in _owners(manifest)}
    removed = 0
    for (kind, name), live in picture.owned.items():
        if (kind, name) in names or is_deleting(live) or not owners.intersection(_owners(live)):
            continue
        await kubernetes.delete(_KINDS[kind], picture.namespace, name, uid=live["metadata"]["uid"])
        WRITES.labels(kind=kind).inc()
        _LOG.info("removed %s %s/%s: it is no longer wanted", kind, picture.namespace, name)
        removed += 1
    return removed


def _owners(manifest: Manifest) -> list[str]:
    return [reference["uid"] for reference in manifest["metadata"].get("ownerReferences", ())]


async def renew_pods(kubernetes: Kubernetes, picture: Picture) -> int:
    """Delete pods that an older template made, one a StatefulSet, and only while its others are ready.

    StatefulSets are OnDelete, so that nobody but the operator decides when a pod goes.
    """
    renewed = 0
    for (kind, name), live in picture.owned.items():
        if kind != "StatefulSet" or is_deleting(live):
            continue
        revision = live.get("status", {}).get("updateRevision", "")
        selector = live["spec"]["selector"]["matchLabels"]
        pods = [pod for pod in picture.pods if covers(pod.labels, selector)]
        outdated = [pod for pod in pods if revision and pod.revision and pod.revision != revision and not pod.deleting]
        if not outdated or any(pod.deleting for pod in pods):
            continue
        # An outdated pod that is not ready goes first: waiting for it to get ready might be for ever.
        victim = min(outdated, key=lambda pod: (pod.ready, pod.name))
        if victim.ready and not all(pod.ready for pod in pods):
            continue
        await kubernetes.delete(POD, picture.namespace, victim.name, uid=victim.uid)
        _LOG.info("renewed pod %s/%s of %s: its template has changed", picture.namespace, victim.name, name)
        renewed += 1
    return renewed
