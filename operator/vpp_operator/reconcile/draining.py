"""Takes a channel that is no longer wanted out of service, one step a look. `decide.channels` says which step."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace

from vpp_contract.names import TRAFFIC_LABEL
from vpp_operator.decide.channels import Draining, Move, State, next_move
from vpp_operator.errors import VPPError
from vpp_operator.ports import POD, BrokerAddress, Connection, Ports
from vpp_operator.reconcile.brokers import ChannelReport
from vpp_operator.reconcile.gather import Pod
from vpp_operator.reconcile.memory import PlantMemory
from vpp_operator.resources.channel import DRAINING

_LOG = logging.getLogger(__name__)


async def drain(
    ports: Ports,
    memory: PlantMemory,
    pod: Pod | None,
    at: BrokerAddress | None,
    report: ChannelReport,
    *,
    namespace: str,
    own_accounts: Collection[str],
    deadline_seconds: float,
    generation: int,
) -> ChannelReport:
    """Do the next step for a draining channel. `at` is None where its broker does not answer.

    Connections of `own_accounts` only read; all others may publish.
    """
    now = ports.clock.time()
    if report.draining_since is None:
        memory.quiet_since.pop(report.name, None)  # of an earlier drain
    since = now if report.draining_since is None else report.draining_since
    report = replace(report, draining_since=since)
    publishers: list[Connection] = []
    tail: int | None = None
    if at is not None and pod is not None:
        try:
            await _leave_the_service(ports, namespace, pod)
            connections = await ports.brokers.connections(at)
            publishers = [one for one in connections if one.username not in own_accounts]
            if report.marker_offset is not None:
                tail = await ports.brokers.tail_offset(at, report.stream)
        except VPPError as error:
            _LOG.warning("draining %s: %s", report.name, error)
            at = None
    seen = Draining(
        broker_answers=at is not None,
        publishers=len(publishers),
        quiet_seconds=_quiet_seconds(ports, memory, report.name, quiet=at is not None and not publishers),
        marker_offset=report.marker_offset,
        committed_offset=report.committed_offset,
        tail_offset=tail,
        since_seconds=now - since,
        deadline_seconds=deadline_seconds,
    )
    move, reason = next_move(seen)
    report = replace(report, reason=reason)
    try:
        return await _carried_out(ports, at, report, move, publishers, generation)
    except VPPError as error:
        _LOG.warning("draining %s: %s", report.name, error)
        return replace(report, reason=str(error))


async def _carried_out(
    ports: Ports,
    at: BrokerAddress | None,
    report: ChannelReport,
    move: Move,
    publishers: list[Connection],
    generation: int,
) -> ChannelReport:
    if move is Move.SEND_AWAY and at is not None:
        for connection in publishers:
            await ports.brokers.remove(at, ("connections", connection.name))
        return replace(report, marker_offset=None)
    if move is Move.MARK and at is not None:
        marker_offset = await ports.brokers.mark_end(at, report.stream)
        _LOG.info("channel %s: end marker at offset %d of %s", report.name, marker_offset, report.stream)
        return replace(report, marker_offset=marker_offset)
    if move is Move.SLEEP:
        _LOG.info("channel %s sleeps: %s", report.name, report.reason)
        return replace(report, state=State.ASLEEP, draining_since=None, marker_offset=None)
    if move is Move.GIVE_UP:
        _LOG.warning("channel %s is not drained: %s", report.name, report.reason)
        state = State.ACTIVE if at is not None else State.DOWN
        return replace(report, state=state, draining_since=None, marker_offset=None, gave_up_generation=generation)
    return report


async def _leave_the_service(ports: Ports, namespace: str, pod: Pod) -> None:
    if pod.labels.get(TRAFFIC_LABEL) != DRAINING:
        await ports.kubernetes.patch(POD, namespace, pod.name, {"metadata": {"labels": {TRAFFIC_LABEL: DRAINING}}})
        _LOG.info("channel %s drains: its Service sends no traffic to it any more", pod.name)


def _quiet_seconds(ports: Ports, memory: PlantMemory, channel: str, *, quiet: bool) -> float:
    """Return for how long there has been no publisher, as far as this operator has seen."""
    if not quiet:
        memory.quiet_since.pop(channel, None)
        return 0.0
    now = ports.clock.monotonic()
    return now - memory.quiet_since.setdefault(channel, now)
