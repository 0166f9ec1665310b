"""Lets segments go that the twin has committed, and no others.

Streams delete by age or size whether a segment was read or not, so a standing limit would lose data as soon as the
driver falls behind it. Streams here have no limit. When there is something to free, and the broker itself counts no
message beyond the committed offset, the operator sets an age limit for one moment, older than the instant at which that
offset was planned by the margin, and lifts it again. Both witnesses are asked because either may be late. If the
operator dies in between, the limit is still the margin behind the committed offset, and the next look at the broker
lifts it.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from vpp_operator.ports import BrokerAddress, Ports
from vpp_operator.reconcile.brokers import ChannelReport
from vpp_operator.reconcile.definitions import RETENTION_POLICY_PREFIX, retention_policy
from vpp_operator.reconcile.memory import PlantMemory

_LOG = logging.getLogger(__name__)
_EVERY_SECONDS: Final = 30.0
_STANDING_SECONDS: Final = 1.0
_SEGMENTS_KEPT: Final = 2


def age_limit_seconds(now: float, planned_us: int, margin_seconds: int) -> int:
    """Return the age of readings that may go: older than what was planned last, by the margin."""
    return max(margin_seconds, int(now - planned_us / 1e6) + 1 + margin_seconds)


def last_offset(first: int, messages: int) -> int:
    """Return the offset of the newest message by the broker's count.

    The count may leave out messages of the newest chunk. These lie in the newest segment, which retention never takes.
    """
    return first + messages - 1


async def move_retention(
    ports: Ports,
    at: BrokerAddress,
    report: ChannelReport,
    memory: PlantMemory,
    *,
    committed_offset: int,
    planned_us: int,
    margin_seconds: int,
) -> int | None:
    """Free committed segments of one stream now and then; return its first offset when it was looked up, else None.

    Raises:
        Unavailable: the broker does not answer.
    """
    now = ports.clock.monotonic()
    if now - memory.retention_at.get(report.key, float("-inf")) < _EVERY_SECONDS:
        return None
    memory.retention_at[report.key] = now
    first = await ports.brokers.first_offset(at, report.stream)
    extent = await ports.brokers.stream(at, report.stream)
    if first is None or extent is None or extent.segments <= _SEGMENTS_KEPT:
        return first
    if committed_offset < last_offset(first, extent.messages):
        return first
    limit = age_limit_seconds(ports.clock.time(), planned_us, margin_seconds)
    name = f"{RETENTION_POLICY_PREFIX}{report.stream}"
    try:
        await ports.brokers.set_policy(at, name, retention_policy(report.stream, limit))
        await asyncio.sleep(_STANDING_SECONDS)
    finally:
        await ports.brokers.remove(at, ("policies", "/", name))
    _LOG.debug("channel %s: let go what is older than %d s of stream %s", report.name, limit, report.stream)
    return await ports.brokers.first_offset(at, report.stream)
