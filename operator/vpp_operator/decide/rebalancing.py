"""How connections move to channels that have just become active: the others are held out of the Service meanwhile.

Closing a connection is all that can be done from outside: its client comes back through the Service, which holds
only the channels that fill. So the share moves with any client that reconnects, and none has to know of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SETTLE_SECONDS: Final = 0.5
"""So long after the Service has changed, nodes may still send new connections where it sent them before."""
LONGEST_SECONDS: Final = 15.0
"""Clients that have not come by then do not come: the other channels go back into the Service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """A pool in which channels have just become active, as far as it is known now."""

    busy: Mapping[str, Sequence[str]]
    """Publishers' connections by channel, of the channels that were active before."""
    filling: Mapping[str, int]
    """The number of publishers' connections by channel, of those that fill."""
    total: int
    """The most connections that have been seen at one time since it began."""
    share: float
    """Share of all connections that is to move; 0: as many as the filling channels are of all active ones."""
    since_seconds: float


def wanted_connections(seen: Filling) -> int:
    """Return how many connections the filling channels are to have, all together."""
    fair = len(seen.filling) / max(1, len(seen.filling) + len(seen.busy))
    return int(seen.total * (seen.share or fair))


def connections_to_close(seen: Filling) -> list[tuple[str, str]]:
    """Return (channel, connection) of those that are to come back elsewhere; always the same ones of the same lists.

    What is no longer on a busy channel is taken to be on its way, so that nothing is closed for it again.
    """
    if seen.since_seconds < SETTLE_SECONDS:
        return []
    left = {channel: sorted(connections) for channel, connections in seen.busy.items()}
    surplus = sum(map(len, left.values())) - (seen.total - wanted_connections(seen))
    chosen = []
    for _ in range(surplus):
        fullest = max(sorted(left), key=lambda channel: len(left[channel]))
        chosen.append((fullest, left[fullest].pop()))
    return chosen


def is_filled(seen: Filling) -> bool:
    """Tell whether the share has arrived, or is not awaited any longer."""
    arrived = sum(seen.filling.values()) >= wanted_connections(seen)
    return not seen.busy or arrived or seen.since_seconds > LONGEST_SECONDS
