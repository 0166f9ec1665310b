"""Writes a resource's status when it has changed, and an Event when a condition has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vpp_operator.errors import VPPError
from vpp_operator.metrics import WRITES
from vpp_operator.ports import PLANT_KINDS, Manifest, Ports
from vpp_operator.reconcile.conditions import Condition, merged, timestamp

_KINDS: Final = {kind.kind: kind for kind in PLANT_KINDS}
_EVENTFUL: Final = ("Ready", "Degraded")


async def report(ports: Ports, document: Manifest, values: Mapping[str, Any], conditions: Sequence[Condition]) -> None:
    """Bring a resource's status to these values and conditions; nothing is written where it says so already.

    Raises:
        Unavailable: the API server does not answer.
    """
    now = ports.clock.time()
    status = {
        **values,
        "observedGeneration": document["metadata"].get("generation", 0),
        "conditions": merged(document, conditions, now),
    }
    before = document.get("status", {})
    # Whole values: a part that is said no longer is a change as well.
    if all(before.get(name) == value or (value is None and name not in before) for name, value in status.items()):
        return
    metadata = document["metadata"]
    patch = {"status": {name: _replacing(before.get(name), value) for name, value in status.items()}}
    patched = await ports.kubernetes.patch(
        _KINDS[document["kind"]], metadata["namespace"], metadata["name"], patch, subresource="status"
    )
    WRITES.labels(kind=f"{document['kind']}/status").inc()
    if patched is None:
        return
    for condition in _turned(before, status):
        await _event(ports, document, condition, now)


def _replacing(before: Any, value: Any) -> Any:
    """Return a value as a merge patch needs it: an object's part that is said no longer has to be named to go."""
    if not (isinstance(before, Mapping) and isinstance(value, Mapping)):
        return value
    return {**dict.fromkeys(before), **{name: _replacing(before.get(name), part) for name, part in value.items()}}


def _turned(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the conditions worth an Event: those whose status has changed."""
    old = {item["type"]: item["status"] for item in before.get("conditions", ())}
    return [
        item
        for item in after["conditions"]
        if item["type"] in _EVENTFUL and item["type"] in old and old[item["type"]] != item["status"]
    ]


async def _event(ports: Ports, document: Manifest, condition: Mapping[str, Any], now: float) -> None:
    metadata = document["metadata"]
    good = (condition["type"] == "Ready") == (condition["status"] == "True")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": document["apiVersion"],
            "kind": document["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
        },
        "type": "Normal" if good else "Warning",
        "reason": condition["reason"],
        "message": f"{condition['type']} is {condition['status']}: {condition['message']}",
        "firstTimestamp": timestamp(now),
        "lastTimestamp": timestamp(now),
        "count": 1,
        "source": {"component": "vpp-operator"},
    }
    try:
        await ports.kubernetes.create(event)
    except VPPError:
        return  # an Event that is not written must not keep the plant waiting
