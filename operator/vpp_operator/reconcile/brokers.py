"""Brings what must be on each broker onto it, and reports what was found there."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vpp_contract.names import STREAM_PREFIX
from vpp_operator.api.queuechannel import QueueChannelSpec
from vpp_operator.decide.channels import Role, State, answering_state
from vpp_operator.errors import VPPError
from vpp_operator.ports import BrokerAddress, Brokers, Manifest, Ports
from vpp_operator.reconcile import definitions
from vpp_operator.reconcile.definitions import Site
from vpp_operator.reconcile.gather import Pod
from vpp_operator.resources.tls import AMQP_PORT, AMQP_TLS_PORT, MANAGEMENT_PORT, MANAGEMENT_TLS_PORT

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A stream that vanished, or a part of one, before the twin had read it; `to_offset` -1 is unknown."""

    channel: str
    stream: str
    from_offset: int
    to_offset: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelReport:
    """One channel after a look at it."""

    name: str
    host: str
    stream: str
    state: State
    role: Role = Role.ACTIVE
    """What it is wanted for."""
    reason: str = ""
    answers: bool = False
    """Whether its broker has just been seen to have all that it should have."""
    messages: int | None = None
    first_offset: int | None = None
    committed_offset: int | None = None
    loss: Loss | None = None
    draining_since: float | None = None
    """When the drain began (seconds since the epoch)."""
    marker_offset: int | None = None
    gave_up_generation: int | None = None
    """The generation of the spec for which a drain has passed its deadline."""
    filling_since: float | None = None
    """Since when it has been active and awaits its share of the connections (seconds since the epoch)."""

    @property
    def key(self) -> str:
        """The name offsets are kept under."""
        return f"{self.name}/{self.stream}"


def address(pod: Pod, admin: Mapping[str, str]) -> BrokerAddress:
    """Return how to reach a broker's pod directly, whatever Services say."""
    return BrokerAddress(
        host=pod.address,
        amqp_port=AMQP_PORT if pod.tls is None else AMQP_TLS_PORT,
        management_url=(
            f"http://{pod.address}:{MANAGEMENT_PORT}"
            if pod.tls is None
            else f"https://{pod.address}:{MANAGEMENT_TLS_PORT}"
        ),
        username=admin["username"],
        password=admin["password"],
        tls=pod.tls,
    )


async def ensure(
    brokers: Brokers,
    at: BrokerAddress,
    live: Manifest,
    wanted: Mapping[str, Any],
    *,
    only_of: Sequence[Site] | None = None,
) -> None:
    """Create on a broker what it lacks, and remove sites' accounts and queues that are no longer wanted.

    With `only_of` the broker is shared with others: of these sites alone earlier accounts go, and nothing else.

    Raises:
        Unavailable: it does not answer.
    """
    lacking = definitions.missing(live, wanted)
    if lacking:
        await brokers.import_definitions(at, lacking)
        _LOG.info("broker %s: made %s", at.host, {name: len(items) for name, items in lacking.items()})
    for user in definitions.surplus_users(live, wanted, only_of):
        await brokers.remove(at, ("users", user))
        _LOG.info("broker %s: removed the account %s, no site has it any more", at.host, user)
    for queue in definitions.surplus_queues(live, wanted) if only_of is None else ():
        await brokers.remove(at, ("queues", "/", queue))
        _LOG.info("broker %s: removed the queue %s, its site is gone", at.host, queue)


async def look_at_channel(
    ports: Ports,
    pod: Pod | None,
    before: ChannelReport,
    *,
    spec: QueueChannelSpec,
    admin: Mapping[str, str],
    reader: tuple[str, str],
    sites: Sequence[Site],
) -> ChannelReport:
    """Bring one channel's broker to what it should be and report it."""
    absent = before.state if before.state in (State.STARTING, State.WAKING, State.DRAINING) else State.DOWN
    if pod is None or not pod.ready or pod.deleting:
        return replace(before, state=absent, reason=pod.waiting if pod else "its pod is not there yet")
    at = address(pod, admin)
    try:
        live = await ports.brokers.definitions(at)
        for policy in definitions.retention_policies(live):
            await ports.brokers.remove(at, ("policies", "/", policy))
        report = before
        if not definitions.has_queue(live, before.stream):
            report = (
                _adopted(before, live)
                if before.state is State.STARTING
                else _lost(before, ports.randomness.stream_id())
            )
        wanted = definitions.channel_definitions(
            exchange=spec.exchange,
            stream=report.stream,
            segment_bytes=spec.retention.segment_bytes,
            reader=reader,
            sites=sites,
        )
        await ensure(ports.brokers, at, live, wanted)
        extent = await ports.brokers.stream(at, report.stream)
    except VPPError as error:
        return replace(before, state=absent, reason=str(error))
    report = replace(report, reason="", answers=True, messages=extent.messages if extent else None)
    if before.state is State.DRAINING:
        return report
    return replace(report, state=answering_state(before.state, before.role))


def _adopted(before: ChannelReport, live: Manifest) -> ChannelReport:
    """Return the report of a new channel: on a volume that was kept, it goes on with the stream it finds there.

    Otherwise readings that the twin has not read yet would stay unread beside a new, empty stream.
    """
    streams = definitions.streams(live)
    if len(streams) != 1:
        return before
    _LOG.info("channel %s goes on with the stream %s, which its volume has kept", before.name, streams[0])
    return replace(before, stream=streams[0])


def _lost(before: ChannelReport, stream_id: str) -> ChannelReport:
    """Return the report of a channel whose stream is gone: a new stream has a new name and begins at 0."""
    loss = Loss(
        channel=before.name,
        stream=before.stream,
        from_offset=before.committed_offset or 0,
        to_offset=-1,
        reason="the broker no longer has this stream; was its volume lost?",
    )
    _LOG.error("channel %s has lost its stream %s: %s", before.name, before.stream, loss.reason)
    return replace(
        before,
        stream=f"{STREAM_PREFIX}{stream_id}",
        messages=None,
        first_offset=None,
        committed_offset=None,
        marker_offset=None,
        loss=loss,
    )
