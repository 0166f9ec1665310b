"""Takes a channel that is no longer to be active out of traffic, a step a look. `decide.channels` says which step."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace

from vpp_operator.decide.channels import Draining, Move, State, next_move
from vpp_operator.errors import VPPError
from vpp_operator.ports import BrokerAddress, Connection, Ports
from vpp_operator.reconcile.brokers import ChannelReport
from vpp_operator.reconcile.memory import PlantMemory

_LOG = logging.getLogger(__name__)


async def drain(
    ports: Ports,
    memory: PlantMemory,
    at: BrokerAddress | None,
    report: ChannelReport,
    *,
    own_accounts: Collection[str],
    deadline_seconds: float,
    generation: int,
) -> ChannelReport:
    """Do the next step for a draining channel, which its Service holds no longer.

    `at` is None where its broker does not answer. Connections of `own_accounts` only read; all others may publish.
    """
    now = ports.clock.time()
    if report.draining_since is None:
        memory.quiet_since.pop(report.name, None)  # of an earlier drain
    since = now if report.draining_since is None else report.draining_since
    report = replace(report, draining_since=since)
    found: list[Connection] = []
    tail: int | None = None
    if at is not None:
        try:
            found = await publishers(ports, at, own_accounts)
            if report.marker_offset is not None:
                tail = await ports.brokers.tail_offset(at, report.stream)
        except VPPError as error:
            _LOG.warning("draining %s: %s", report.name, error)
            at = None
    seen = Draining(
        goal=report.role,
        broker_answers=at is not None,
        publishers=len(found),
        quiet_seconds=_quiet_seconds(ports, memory, report.name, quiet=at is not None and not found),
        marker_offset=report.marker_offset,
        committed_offset=report.committed_offset,
        tail_offset=tail,
        since_seconds=now - since,
        deadline_seconds=deadline_seconds,
    )
    move, reason = next_move(seen)
    report = replace(report, reason=reason)
    try:
        return await _carried_out(ports, at, report, move, found, generation)
    except VPPError as error:
        _LOG.warning("draining %s: %s", report.name, error)
        return replace(report, reason=str(error))


async def stand_by(
    ports: Ports, at: BrokerAddress | None, report: ChannelReport, *, own_accounts: Collection[str]
) -> ChannelReport:
    """Send away publishers that have found a channel which stands by: one that was up before its Service let go."""
    try:
        if at is not None:
            await send_away(ports, at, await publishers(ports, at, own_accounts))
    except VPPError as error:
        _LOG.warning("%s, standing by: %s", report.name, error)
        return replace(report, reason=str(error))
    return report


async def publishers(ports: Ports, at: BrokerAddress, own_accounts: Collection[str]) -> list[Connection]:
    """Return the connections to a broker that may publish."""
    return [one for one in await ports.brokers.connections(at) if one.username not in own_accounts]


async def send_away(ports: Ports, at: BrokerAddress, connections: Sequence[Connection]) -> None:
    """Close connections; their clients come back through the Service."""
    for connection in connections:
        await ports.brokers.remove(at, ("connections", connection.name))


async def _carried_out(
    ports: Ports,
    at: BrokerAddress | None,
    report: ChannelReport,
    move: Move,
    found: Sequence[Connection],
    generation: int,
) -> ChannelReport:
    if move is Move.SEND_AWAY and at is not None:
        await send_away(ports, at, found)
        return replace(report, marker_offset=None)
    if move is Move.MARK and at is not None:
        marker_offset = await ports.brokers.mark_end(at, report.stream)
        _LOG.info("channel %s: end marker at offset %d of %s", report.name, marker_offset, report.stream)
        return replace(report, marker_offset=marker_offset)
    if move in (Move.SLEEP, Move.STAND_BY):
        _LOG.info("channel %s: %s, %s", report.name, move, report.reason)
        state = State.ASLEEP if move is Move.SLEEP else State.STANDBY
        return replace(report, state=state, draining_since=None, marker_offset=None)
    if move is Move.GIVE_UP:
        _LOG.warning("channel %s is not drained: %s", report.name, report.reason)
        # One that publishers cling to serves them again; else it stays up for the twin to read, without traffic.
        state = State.DOWN if at is None else State.ACTIVE if found else State.STANDBY
        return replace(report, state=state, draining_since=None, marker_offset=None, gave_up_generation=generation)
    return report


def _quiet_seconds(ports: Ports, memory: PlantMemory, channel: str, *, quiet: bool) -> float:
    """Return for how long there has been no publisher, as far as this operator has seen."""
    if not quiet:
        memory.quiet_since.pop(channel, None)
        return 0.0
    now = ports.clock.monotonic()
    return now - memory.quiet_since.setdefault(channel, now)
