"""Conditions in the shape that `kubectl wait` and GitOps health checks understand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from vpp_operator.ports import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that can be said of a resource. `status` None is Unknown."""

    type: str
    status: bool | None
    reason: str
    message: str


def timestamp(seconds: float) -> str:
    """Return seconds since the epoch as Kubernetes writes them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(written: str | None) -> float | None:
    """Return what `timestamp` wrote as seconds since the epoch; None for nothing."""
    return datetime.fromisoformat(written).timestamp() if written else None


def merged(document: Manifest, said: Iterable[Condition], now: float) -> list[dict[str, Any]]:
    """Return a resource's conditions: those said now; one whose status is as before keeps its time."""
    before = {item["type"]: item for item in document.get("status", {}).get("conditions", ())}
    generation = document["metadata"].get("generation", 0)
    return [_rendered(condition, before.get(condition.type), generation, now) for condition in said]


def _rendered(condition: Condition, before: Mapping[str, Any] | None, generation: int, now: float) -> dict[str, Any]:
    status = "Unknown" if condition.status is None else str(condition.status)
    unchanged = before is not None and before["status"] == status
    return {
        "type": condition.type,
        "status": status,
        "reason": condition.reason,
        "message": condition.message[:1024],
        "lastTransitionTime": before["lastTransitionTime"] if before and unchanged else timestamp(now),
        "observedGeneration": generation,
    }
