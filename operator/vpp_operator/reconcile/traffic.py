"""Which channels the Service holds, and how connections move to one that has just become active."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from vpp_contract.names import TRAFFIC_LABEL
from vpp_operator.decide.channels import State
from vpp_operator.decide.rebalancing import Filling, connections_to_close, is_filled
from vpp_operator.errors import Unavailable, VPPError
from vpp_operator.ports import POD, BrokerAddress, Connection
from vpp_operator.reconcile import memory
from vpp_operator.reconcile.brokers import ChannelReport, address
from vpp_operator.reconcile.desired import Member
from vpp_operator.reconcile.draining import publishers, send_away
from vpp_operator.reconcile.look import Look
from vpp_operator.resources.channel import ACTIVE, DRAINING, HELD, STANDBY

_LOG = logging.getLogger(__name__)
_LABELS: Final = {State.ACTIVE: ACTIVE, State.STANDBY: STANDBY, State.DRAINING: DRAINING}


def traffic_labels(reports: Sequence[ChannelReport]) -> dict[str, str]:
    """Return the traffic label by channel, of those that are up; first those that the Service is to hold.

    While a channel fills, the Service holds none of those that were active before.
    """
    is_filling = any(report.filling_since is not None for report in reports)
    labels = {}
    for report in reports:
        if not report.answers or report.state not in _LABELS:
            continue
        held = is_filling and report.state is State.ACTIVE and report.filling_since is None
        labels[report.name] = HELD if held else _LABELS[report.state]
    return dict(sorted(labels.items(), key=lambda item: item[1] != ACTIVE))


async def direct_traffic(look: Look, reports: Sequence[ChannelReport]) -> None:
    """Bring the channels that are to take traffic into the Service, and then all others out of it.

    Raises:
        VPPError: the API server did not answer.
    """
    for name, label in traffic_labels(reports).items():
        pod = look.picture.pod(name)
        if pod is None or pod.labels.get(TRAFFIC_LABEL) == label:
            continue
        patch = {"metadata": {"labels": {TRAFFIC_LABEL: label}}}
        await look.ports.kubernetes.patch(POD, look.picture.namespace, name, patch)
        _LOG.info("channel %s: its traffic label is %s now", name, label)


async def move_connections(look: Look, member: Member, reports: Sequence[ChannelReport]) -> list[ChannelReport]:
    """Close a share of the connections while channels fill; return the reports, with those that are filled as such."""
    name = member.owner.name
    if not any(report.filling_since is not None for report in reports):
        look.memory.filling.pop(name, None)
        return list(reports)
    now = look.ports.clock.monotonic()
    remembered = look.memory.filling.setdefault(name, memory.Filling(since=now))
    found = await _publishers(look, name, reports)
    remembered.total = max(remembered.total, sum(map(len, found.values())))
    filling = {report.name for report in reports if report.filling_since is not None}
    seen = Filling(
        busy={channel: [one.name for one in items] for channel, items in found.items() if channel not in filling},
        filling={channel: len(found.get(channel, ())) for channel in filling},
        total=remembered.total,
        share=member.spec.rebalance_share,
        since_seconds=now - remembered.since,
    )
    if is_filled(seen):
        _LOG.info("%s: %s of %d connections are on %s", name, seen.filling, seen.total, ", ".join(sorted(filling)))
        look.memory.filling.pop(name, None)
        return [replace(report, filling_since=None) for report in reports]
    for channel, connection in connections_to_close(seen):
        try:
            at = _address(look, name, channel)
            await send_away(look.ports, at, [one for one in found[channel] if one.name == connection])
        except VPPError as error:
            _LOG.warning("moving connections from %s: %s", channel, error)
    return list(reports)


async def _publishers(
    look: Look, queue_channel: str, reports: Sequence[ChannelReport]
) -> Mapping[str, list[Connection]]:
    """Return publishers' connections of each active channel that answers."""
    own_accounts = (look.accounts.admin(queue_channel)["username"], look.accounts.reader()["username"])
    found = {}
    for report in reports:
        if report.state is State.ACTIVE and report.answers:
            try:
                at = _address(look, queue_channel, report.name)
                found[report.name] = await publishers(look.ports, at, own_accounts)
            except VPPError as error:
                _LOG.warning("connections of %s: %s", report.name, error)
    return found


def _address(look: Look, queue_channel: str, channel: str) -> BrokerAddress:
    pod = look.picture.pod(channel)
    if pod is None:
        raise Unavailable("RabbitMQ", f"the pod {channel} is gone")
    return address(pod, look.accounts.admin(queue_channel))
