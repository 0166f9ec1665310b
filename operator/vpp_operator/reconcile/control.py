"""The control broker of a plant: what must be on it, and the topology that it tells everyone."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from vpp_contract.topology import STREAM_PORT, Channel, ChannelState, Topology
from vpp_operator.decide.channels import State
from vpp_operator.errors import NotReady, VPPError
from vpp_operator.ports import SECRET, BrokerAddress
from vpp_operator.reconcile import brokers as brokerage
from vpp_operator.reconcile.brokers import ChannelReport
from vpp_operator.reconcile.conditions import Condition
from vpp_operator.reconcile.definitions import Site, control_definitions
from vpp_operator.reconcile.look import Look
from vpp_operator.resources import names
from vpp_operator.resources.secret_values import secret_texts
from vpp_operator.resources.tls import AMQP_PORT, AMQP_TLS_PORT, STREAM_TLS_PORT

_LOG = logging.getLogger(__name__)
_TOPOLOGY_STATES = {
    State.STANDBY: ChannelState.STANDBY,
    State.DRAINING: ChannelState.DRAINING,
    State.ASLEEP: ChannelState.ASLEEP,
    State.WAKING: ChannelState.ASLEEP,  # its pod is not up yet, and what it holds was read before it slept
}


async def ensure_control(look: Look, sites: Sequence[Site], faults: list[Condition]) -> BrokerAddress | None:
    """Bring the control broker to what it should be; None while it is not."""
    try:
        at = await _address(look)
        if at is None:
            return None
        reader = look.accounts.reader()
        wanted = control_definitions(reader=(reader["username"], reader["password"]), sites=sites)
        live = await look.ports.brokers.definitions(at)
        # A broker that others share may have accounts of theirs that look like ours: nothing is removed there by guess.
        only_of = None if look.spec.broker.external is None else sites
        await brokerage.ensure(look.ports.brokers, at, live, wanted, only_of=only_of)
    except VPPError as error:
        faults.append(Condition(type="Ready", status=False, reason="ControlBrokerUnavailable", message=str(error)))
        return None
    return at


async def _address(look: Look) -> BrokerAddress | None:
    external = look.spec.broker.external
    if external is None:
        name = names.control(look.picture.name)
        pod = look.picture.pod(f"{name}-0")
        return brokerage.address(pod, look.accounts.admin(name)) if pod is not None and pod.ready else None
    texts = secret_texts(await look.ports.kubernetes.get(SECRET, look.picture.namespace, external.secret_ref.name))
    if not (texts.get("username") and texts.get("password")):
        raise NotReady(
            "SecretMissing",
            f"The Secret {external.secret_ref.name} with username and password of the control broker is missing.",
        )
    return BrokerAddress(
        host=external.host,
        amqp_port=external.amqp_port,
        management_url=external.management_url,
        username=texts["username"],
        password=texts["password"],
    )


def _channel(look: Look, queue_channel: str, entry: ChannelReport) -> Channel:
    """Return a channel as readers are told of it: with TLS as soon as its own pod speaks it."""
    pod = look.picture.pod(entry.name)
    tls = look.spec.tls is not None if pod is None else pod.tls is not None
    return Channel(
        name=entry.name,
        queue_channel=queue_channel,
        host=entry.host,
        amqp_port=AMQP_TLS_PORT if tls else AMQP_PORT,
        stream=entry.stream,
        state=_TOPOLOGY_STATES.get(entry.state, ChannelState.ACTIVE),
        stream_port=STREAM_TLS_PORT if tls else STREAM_PORT,
        tls=tls,
    )


async def publish_topology(
    look: Look, control: BrokerAddress | None, reports: Mapping[str, Sequence[ChannelReport]], faults: list[Condition]
) -> int:
    """Publish the topology where it has changed or may not have been published; return its generation."""
    before = int(look.document.get("status", {}).get("topologyGeneration") or 0)
    channels = tuple(
        _channel(look, queue_channel, entry)
        for queue_channel, entries in sorted(reports.items())
        for entry in entries
        if entry.state is not State.STARTING
    )
    pod = look.picture.pod(f"{names.control(look.picture.name)}-0")
    uid = pod.uid if pod is not None else "external"
    published = look.memory.published
    if control is None or not channels:
        return before
    if published is not None and published.channels == channels and look.memory.published_to == uid:
        return before
    topology = Topology(generation=before + 1, channels=channels)
    try:
        await look.ports.brokers.publish_topology(control, topology)
    except VPPError as error:
        faults.append(Condition(type="Ready", status=False, reason="TopologyUnpublished", message=str(error)))
        return before
    look.memory.published, look.memory.published_to = topology, uid
    _LOG.info("%s/%s: published topology %d", look.picture.namespace, look.picture.name, topology.generation)
    return topology.generation
