"""One consistent-enough picture of a plant: its resources, what the operator made for them, and its pods."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from vpp_contract.names import VPP_LABEL
from vpp_operator.ports import (
    NANO_GRID,
    OWNED_KINDS,
    POD,
    QUEUE_CHANNEL,
    VPP_CLUSTER,
    Kubernetes,
    Manifest,
    ServerIdentity,
)
from vpp_operator.resources import names
from vpp_operator.resources.metadata import COMPONENT_LABEL, SELECTOR
from vpp_operator.resources.secret_values import secret_texts
from vpp_operator.resources.tls import TLS_ANNOTATION

Key = tuple[str, str]
"""Kind and name of an owned object."""
LONGEST_WORDS: Final = 300
"""Characters of a failed program's last line that a condition repeats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """What reconciling needs to know of a pod."""

    name: str
    uid: str
    address: str
    ready: bool
    deleting: bool
    revision: str
    component: str
    labels: Mapping[str, str]
    waiting: str
    """Why a container does not run, empty when it does."""
    tls: ServerIdentity | None = None
    """What a broker that speaks TLS must prove."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One plant. `vpp` is None where only resources that name it are left."""

    namespace: str
    name: str
    vpp: Manifest | None
    queue_channels: Sequence[Manifest]
    nano_grids: Sequence[Manifest]
    owned: Mapping[Key, Manifest]
    pods: Sequence[Pod]

    def pod(self, name: str) -> Pod | None:
        """Return a pod by name."""
        return next((pod for pod in self.pods if pod.name == name), None)

    def live_channels(self) -> list[Manifest]:
        """Return the QueueChannels that are not being deleted."""
        return [channel for channel in self.queue_channels if not is_deleting(channel)]

    def live_sites(self) -> list[Manifest]:
        """Return the NanoGrids that are not being deleted."""
        return [site for site in self.nano_grids if not is_deleting(site)]


def is_deleting(document: Manifest) -> bool:
    """Tell whether an object waits for its finalizers."""
    return "deletionTimestamp" in document["metadata"]


async def gather(kubernetes: Kubernetes, namespace: str, name: str) -> Picture:
    """Ask the API server for everything of a plant.

    Raises:
        Unavailable: it does not answer.
    """
    selector = f"{SELECTOR},{VPP_LABEL}={name}"
    vpp = kubernetes.get(VPP_CLUSTER, namespace, name)
    members = asyncio.gather(*(kubernetes.list(kind, namespace) for kind in (QUEUE_CHANNEL, NANO_GRID)))
    made = asyncio.gather(*(kubernetes.list(kind, namespace, selector) for kind in (POD, *OWNED_KINDS)))
    found, (channels, sites), (pods, *owned) = await asyncio.gather(vpp, members, made)
    owned_by_name = {
        (kind.kind, document["metadata"]["name"]): document
        for kind, documents in zip(OWNED_KINDS, owned, strict=True)
        for document in documents
    }
    authority = secret_texts(owned_by_name.get(("Secret", names.broker_authority_secret(name)))).get("ca.crt", "")
    return Picture(
        namespace=namespace,
        name=name,
        vpp=found,
        queue_channels=_of(name, channels),
        nano_grids=_of(name, sites),
        owned=owned_by_name,
        pods=[_pod(document, authority) for document in pods],
    )


def _of(vpp: str, documents: Iterable[Manifest]) -> list[Manifest]:
    mine = [document for document in documents if document["spec"]["vppRef"]["name"] == vpp]
    return sorted(mine, key=lambda document: str(document["metadata"]["name"]))


def _pod(document: Manifest, authority: str) -> Pod:
    metadata, status = document["metadata"], document.get("status", {})
    labels: Mapping[str, str] = metadata.get("labels", {})
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        address=status.get("podIP", ""),
        ready=any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ())),
        deleting=is_deleting(document),
        revision=labels.get("controller-revision-hash", ""),
        component=labels.get(COMPONENT_LABEL, ""),
        labels=labels,
        waiting=_waiting(status),
        tls=_identity(metadata, authority),
    )


def trusting(picture: Picture, authority: str) -> Picture:
    """Return the picture with brokers checked against this authority, whatever its Secret says or whether it is there.

    Without it a deleted Secret would make every broker look down until it is back.
    """
    pods = [pod if pod.tls is None else replace(pod, tls=replace(pod.tls, authority=authority)) for pod in picture.pods]
    return replace(picture, pods=pods)


def _identity(metadata: Manifest, authority: str) -> ServerIdentity | None:
    if TLS_ANNOTATION not in metadata.get("annotations", {}):
        return None
    brokers = metadata["name"].rpartition("-")[0]
    name = names.pod_host(metadata["name"], f"{brokers}-nodes", metadata["namespace"])
    return ServerIdentity(name=name, authority=authority)


def _waiting(status: Mapping[str, Any]) -> str:
    for container in status.get("containerStatuses", ()):
        waiting = container.get("state", {}).get("waiting")
        said = _last_words(container)
        if waiting and waiting.get("reason") not in ("ContainerCreating", "PodInitializing"):
            return f"{waiting.get('reason')}: {said or waiting.get('message', '')}".strip(": ")
        if said and not container.get("ready"):
            return f"Restarted: {said}"
    for condition in status.get("conditions", ()):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"{condition.get('reason')}: {condition.get('message', '')}"
    return ""


def _last_words(container: Mapping[str, Any]) -> str:
    """Return what a container's program said last before it failed, empty where it has not failed."""
    ended = container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated") or {}
    if ended.get("exitCode", 0) == 0:
        return ""
    if ended.get("reason", "Error") != "Error":  # OOMKilled, say: its last words would be about something else
        return str(ended["reason"])
    lines = str(ended.get("message", "")).split("\n")
    return next((line.strip()[:LONGEST_WORDS] for line in reversed(lines) if line.strip()), "")


def plant_names(documents: Iterable[Manifest]) -> set[tuple[str, str]]:
    """Return (namespace, name) of the plants that resources of any of the three kinds belong to."""
    found = set()
    for document in documents:
        metadata = document["metadata"]
        name = metadata["name"] if document["kind"] == VPP_CLUSTER.kind else document["spec"]["vppRef"]["name"]
        found.add((metadata["namespace"], name))
    return found
