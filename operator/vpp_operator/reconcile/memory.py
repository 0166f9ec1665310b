"""What the operator remembers between looks. All of it can be lost: a new leader starts without it."""

from __future__ import annotations

from dataclasses import dataclass, field

from vpp_contract.topology import Topology


@dataclass(slots=True)
class Filling:
    """Of one QueueChannel."""

    since: float
    """When it was first seen (monotonic seconds)."""
    total: int = 0
    """The most publishers' connections that were seen at one time."""


@dataclass(slots=True)
class PlantMemory:
    """Of one plant: its Secrets' texts by name, so that a deleted one returns unchanged, and what was published."""

    secrets: dict[str, dict[str, str]] = field(default_factory=dict)
    replaced: dict[str, dict[str, str]] = field(default_factory=dict)
    """Values that must go into a Secret although it has others, by the Secret's name."""
    retired: set[tuple[str, str]] = field(default_factory=set)
    """Accounts that the next look takes out of a Secret, as (Secret, user name)."""
    published: Topology | None = None
    published_to: str = ""
    """Uid of the control broker's pod at that time: another one may have an empty volume."""
    retention_at: dict[str, float] = field(default_factory=dict)
    """When retention was last moved, by channel and stream (monotonic seconds)."""
    filling: dict[str, Filling] = field(default_factory=dict)
    """QueueChannels in which connections move to channels that have just become active."""
    quiet_since: dict[str, float] = field(default_factory=dict)
    """Since when a draining channel has had no publisher, by channel (monotonic seconds)."""


@dataclass(slots=True)
class Memory:
    """Of all plants."""

    plants: dict[tuple[str, str], PlantMemory] = field(default_factory=dict)

    def of(self, namespace: str, name: str) -> PlantMemory:
        """Return a plant's memory."""
        return self.plants.setdefault((namespace, name), PlantMemory())

    def forget(self, namespace: str, name: str) -> None:
        """Forget a plant that is gone."""
        self.plants.pop((namespace, name), None)
