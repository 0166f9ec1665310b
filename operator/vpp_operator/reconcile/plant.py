"""One look at one plant: gather, decide what is wanted, apply, bring brokers and databases there, say what was found.

Level-triggered: every look starts from what is there, so it can be cut short at any step and the next one goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vpp_contract.names import DRIVER_PORT, STREAM_PREFIX, TRAFFIC_LABEL
from vpp_contract.topology import Channel, ChannelState, Topology
from vpp_operator.api.nanogrid import parse_nanogrid_spec
from vpp_operator.api.queuechannel import parse_queuechannel_spec
from vpp_operator.api.vppcluster import VPPClusterSpec, parse_vppcluster_spec
from vpp_operator.errors import InvalidSpec, NotReady, VPPError
from vpp_operator.ports import (
    QUEUE_CHANNEL,
    SECRET,
    BrokerAddress,
    DriverProgress,
    InfluxAddress,
    Manifest,
    Ports,
    Refused,
)
from vpp_operator.reconcile import brokers as brokerage
from vpp_operator.reconcile import status as statuses
from vpp_operator.reconcile.accounts import Accounts
from vpp_operator.reconcile.apply import apply_all, renew_pods
from vpp_operator.reconcile.brokers import STARTING, UP, ChannelReport
from vpp_operator.reconcile.conditions import Condition
from vpp_operator.reconcile.definitions import Site, control_definitions
from vpp_operator.reconcile.desired import Member, Plan, desired, owner_of
from vpp_operator.reconcile.gather import Picture, gather, is_deleting
from vpp_operator.reconcile.leaving import ensure_finalizers, let_go
from vpp_operator.reconcile.memory import Memory, PlantMemory
from vpp_operator.reconcile.report import report
from vpp_operator.reconcile.retention import move_retention
from vpp_operator.resources import names
from vpp_operator.resources.channel import ACTIVE, channel_count, channel_host
from vpp_operator.resources.influxdb import ADMIN as INFLUX_ADMIN
from vpp_operator.resources.influxdb import PORT as INFLUX_PORT
from vpp_operator.resources.influxdb import influxdb_url
from vpp_operator.resources.nanogrid import ders
from vpp_operator.resources.secret_values import secret_texts
from vpp_operator.settings import Settings

_LOG = logging.getLogger(__name__)
_PARSERS = {"QueueChannel": parse_queuechannel_spec, "NanoGrid": parse_nanogrid_spec}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What every step of one look works on."""

    ports: Ports
    settings: Settings
    memory: PlantMemory
    picture: Picture
    document: Manifest
    spec: VPPClusterSpec
    channels: Sequence[Member]
    sites: Sequence[Member]
    accounts: Accounts


async def reconcile_plant(ports: Ports, settings: Settings, memory: Memory, namespace: str, name: str) -> bool:
    """Look once at a VPPCluster with all that names it; tell whether anything of it is there.

    Raises:
        VPPError: a server the look cannot do without did not answer; the next look goes on.
    """
    picture = await gather(ports.kubernetes, namespace, name)
    if picture.vpp is None or is_deleting(picture.vpp):
        await let_go(ports, memory.of(namespace, name), picture)
        for document in (*picture.live_channels(), *picture.live_sites()):
            await report(ports, document, {}, statuses.without_plant(name))
        left = bool(picture.vpp or picture.queue_channels or picture.nano_grids)
        if not left:
            memory.forget(namespace, name)
        return left
    await ensure_finalizers(ports, picture)
    try:
        spec = parse_vppcluster_spec(picture.vpp["spec"])
    except InvalidSpec as error:
        await report(ports, picture.vpp, {}, statuses.invalid(str(error)))
        return True
    plant_memory = memory.of(namespace, name)
    look = _Look(
        ports=ports,
        settings=settings,
        memory=plant_memory,
        picture=picture,
        document=picture.vpp,
        spec=spec,
        channels=await _members(ports, picture.live_channels(), name),
        sites=await _members(ports, picture.live_sites(), name),
        accounts=Accounts(picture, plant_memory, ports.randomness),
    )
    await _look(look)
    await let_go(ports, plant_memory, picture)
    return True


async def _members(ports: Ports, documents: Sequence[Manifest], vpp: str) -> list[Member]:
    """Parse members; one that cannot be carried out says so in its own status and keeps no other waiting."""
    members = []
    for document in documents:
        try:
            spec = _PARSERS[document["kind"]](document["spec"])
        except InvalidSpec as error:
            await report(ports, document, {}, statuses.invalid(str(error)))
            continue
        members.append(Member(document=document, owner=owner_of(document, vpp), spec=spec))
    return members


async def _look(look: _Look) -> None:
    ports, picture, spec = look.ports, look.picture, look.spec
    faults: list[Condition] = []
    progress = await _progress(look)
    influx = await _influx_secret(look, faults)
    plan = Plan(
        owner=owner_of(look.document, picture.name),
        spec=spec,
        channels=look.channels,
        sites=look.sites,
        images=look.settings.images,
        operator_namespace=look.settings.namespace,
        influx=influx,
        run_simulator=_may_simulate(look, progress),
    )
    wanted = desired(plan, look.accounts)
    try:
        if await apply_all(ports.kubernetes, picture, wanted):
            _LOG.debug("%s/%s: manifests applied", picture.namespace, picture.name)
        await renew_pods(ports.kubernetes, picture)
    except Refused as error:
        faults.append(Condition(type="Ready", status=False, reason="Refused", message=str(error)))
    metrics = await _influx(look, influx, faults)
    sites = _site_accounts(look)
    control = await _control(look, sites, faults)
    reports = await _channels(look, sites, progress)
    generation = await _topology(look, control, reports, faults)
    await _say(look, wanted, faults, metrics, progress, reports, generation, control is not None)


async def _progress(look: _Look) -> DriverProgress | None:
    pod = look.picture.pod(f"{names.driver(look.picture.name)}-0")
    if pod is None or not pod.address:
        return None
    try:
        return await look.ports.spark.progress(f"http://{pod.address}:{DRIVER_PORT}")
    except VPPError as error:
        _LOG.debug("driver of %s/%s: %s", look.picture.namespace, look.picture.name, error)
        return None


def _may_simulate(look: _Look, progress: DriverProgress | None) -> bool:
    """Start the simulator once readings can be taken; a running one is never stopped for a fault of something else."""
    if ("StatefulSet", names.simulator(look.picture.name)) in look.picture.owned:
        return True
    channel_pods = [pod for pod in look.picture.pods if pod.labels.get(TRAFFIC_LABEL) == ACTIVE and pod.ready]
    return bool(channel_pods) and progress is not None and progress.takes_readings


async def _influx_secret(look: _Look, faults: list[Condition]) -> dict[str, str]:
    """Return what InfluxDB's Secret says; an external server's token comes from the user's own Secret."""
    settings = look.spec.monitoring.influxdb
    url = influxdb_url(owner_of(look.document, look.picture.name), look.spec)
    if settings.type != "External":
        return look.accounts.influx(look.spec, url, None)
    name = settings.secret_ref.name if settings.secret_ref else ""
    texts = secret_texts(await look.ports.kubernetes.get(SECRET, look.picture.namespace, name))
    if not texts.get("token"):
        message = (
            f"The Secret {name} with the key token is missing; make it, with a token that may use {settings.bucket}."
        )
        faults.append(Condition(type="Ready", status=False, reason="SecretMissing", message=message))
    return look.accounts.influx(look.spec, url, texts.get("token", ""))


async def _influx(look: _Look, secret: Mapping[str, str], faults: list[Condition]) -> Condition:
    """Set up a fresh managed InfluxDB, check the token, and return the condition MetricsAvailable."""
    url = secret["url"]
    managed = look.spec.monitoring.influxdb.type != "External"
    if managed:
        pod = look.picture.pod(f"{names.influxdb(look.picture.name)}-0")
        if pod is None or not pod.ready:
            return Condition(
                type="MetricsAvailable", status=False, reason="InfluxStarting", message="InfluxDB is not up yet."
            )
        url = f"http://{pod.address}:{INFLUX_PORT}"
    at = InfluxAddress(url=url, org=secret["org"], bucket=secret["bucket"], token=secret["token"])
    try:
        if managed:
            await look.ports.influx.set_up(at, username=INFLUX_ADMIN, password=secret["password"])
        try:
            await look.ports.influx.check(at)
        except NotReady as error:
            if not managed or error.reason != "InfluxUnauthorized":
                raise
            token = await look.ports.influx.recover_token(at, username=INFLUX_ADMIN, password=secret["password"])
            look.accounts.replace_influx_token(token)
            _LOG.info("%s/%s: recovered InfluxDB's token", look.picture.namespace, look.picture.name)
    except VPPError as error:
        fault = Condition(type="MetricsAvailable", status=False, reason=error.reason, message=str(error))
        faults.append(fault)
        return fault
    message = f"InfluxDB answers and takes the token for {at.org}/{at.bucket}."
    return Condition(type="MetricsAvailable", status=True, reason="InfluxAnswers", message=message)


def _site_accounts(look: _Look) -> list[Site]:
    return [
        Site(name=site.owner.name, password=look.accounts.site(site.owner.name), devices=ders(site.spec))
        for site in look.sites
    ]


async def _control(look: _Look, sites: Sequence[Site], faults: list[Condition]) -> BrokerAddress | None:
    """Bring the control broker to what it should be; None while it is not."""
    try:
        at = await _control_address(look)
        if at is None:
            return None
        reader = look.accounts.reader()
        wanted = control_definitions(reader=(reader["username"], reader["password"]), sites=sites)
        live = await look.ports.brokers.definitions(at)
        # A broker that others share may have accounts of theirs that look like ours: nothing is removed there by guess.
        await brokerage.ensure(look.ports.brokers, at, live, wanted, prune=look.spec.broker.external is None)
    except VPPError as error:
        faults.append(Condition(type="Ready", status=False, reason="ControlBrokerUnavailable", message=str(error)))
        return None
    return at


async def _control_address(look: _Look) -> BrokerAddress | None:
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


async def _channels(
    look: _Look, sites: Sequence[Site], progress: DriverProgress | None
) -> dict[str, list[ChannelReport]]:
    """Look at every channel of every QueueChannel, side by side; reports by QueueChannel."""
    found = {}
    for member in look.channels:
        before = await _named_streams(look, member)
        admin = look.accounts.admin(member.owner.name)
        reader = look.accounts.reader()
        looks = [
            brokerage.look_at_channel(
                look.ports,
                look.picture.pod(entry.name),
                entry,
                spec=member.spec,
                namespace=look.picture.namespace,
                admin=admin,
                reader=(reader["username"], reader["password"]),
                sites=sites,
            )
            for entry in before
        ]
        reports = await asyncio.gather(*looks)
        found[member.owner.name] = [await _offsets(look, member, entry, admin, progress) for entry in reports]
    return found


async def _named_streams(look: _Look, member: Member) -> list[ChannelReport]:
    """Return a QueueChannel's channels as `status` has them; a new one's stream is named there before it is made."""
    known = {entry["name"]: entry for entry in member.document.get("status", {}).get("channels", ())}
    before = []
    for ordinal in range(channel_count(member.spec)):
        name = f"{member.owner.name}-{ordinal}"
        entry = known.get(name, {})
        before.append(
            ChannelReport(
                name=name,
                host=channel_host(member.owner.name, ordinal, look.picture.namespace),
                stream=entry.get("stream") or f"{STREAM_PREFIX}{look.ports.randomness.stream_id()}",
                state=entry.get("state", STARTING),
                committed_offset=entry.get("committedOffset"),
                first_offset=entry.get("firstOffset"),
            )
        )
    if any(entry.name not in known for entry in before):
        entries = [statuses.channel_entry(entry) for entry in before]
        patch = {"status": {"channels": entries}}
        await look.ports.kubernetes.patch(
            QUEUE_CHANNEL, look.picture.namespace, member.owner.name, patch, subresource="status"
        )
    return before


async def _offsets(
    look: _Look, member: Member, entry: ChannelReport, admin: Mapping[str, str], progress: DriverProgress | None
) -> ChannelReport:
    """Add what the driver has committed, and let go what it no longer needs."""
    if progress is None or entry.key not in progress.committed:
        return entry
    entry = replace(entry, committed_offset=progress.committed[entry.key])
    pod = look.picture.pod(entry.name)
    planned_us = progress.planned_us.get(entry.key)
    if entry.state != UP or pod is None or planned_us is None:
        return entry
    try:
        first = await move_retention(
            look.ports,
            brokerage.address(pod, admin),
            entry,
            look.memory,
            committed_offset=progress.committed[entry.key],
            planned_us=planned_us,
            margin_seconds=member.spec.retention.margin_seconds,
        )
    except VPPError as error:
        _LOG.warning("retention of %s: %s", entry.name, error)
        return entry
    if first is None:
        return entry
    if entry.committed_offset is not None and first > entry.committed_offset:
        loss = brokerage.Loss(
            channel=entry.name,
            stream=entry.stream,
            from_offset=entry.committed_offset,
            to_offset=first,
            reason="the stream begins beyond what the twin has committed",
        )
        entry = replace(entry, loss=loss)
    return replace(entry, first_offset=first)


async def _topology(
    look: _Look, control: BrokerAddress | None, reports: Mapping[str, Sequence[ChannelReport]], faults: list[Condition]
) -> int:
    """Publish the topology where it has changed or may not have been published; return its generation."""
    before = int(look.document.get("status", {}).get("topologyGeneration") or 0)
    channels = tuple(
        Channel(
            name=entry.name,
            queue_channel=queue_channel,
            host=entry.host,
            amqp_port=5672,
            stream=entry.stream,
            state=ChannelState.ACTIVE,
        )
        for queue_channel, entries in sorted(reports.items())
        for entry in entries
        if entry.state != STARTING
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


async def _say(
    look: _Look,
    wanted: Sequence[Mapping[str, Any]],
    faults: Sequence[Condition],
    metrics: Condition,
    progress: DriverProgress | None,
    reports: Mapping[str, Sequence[ChannelReport]],
    generation: int,
    control_ready: bool,
) -> None:
    """Write the statuses that have changed."""
    ready = statuses.cluster_ready(
        unready=statuses.unready_sets(look.picture, wanted),
        faults=faults,
        progress=progress,
        has_channels=bool(look.channels),
    )
    degraded = next(
        (replace(fault, type="Degraded", status=True) for fault in faults),
        Condition(type="Degraded", status=False, reason="NoFault", message="Every server answers."),
    )
    simulated = [site for site in look.sites if site.spec.source.type == "Simulated"]
    simulator_pod = look.picture.pod(f"{names.simulator(look.picture.name)}-0")
    values, conditions = statuses.cluster_status(
        look.picture,
        look.spec,
        [ready, metrics, degraded],
        progress=progress,
        topology_generation=generation,
        simulator_state="Running" if simulator_pod is not None and simulator_pod.ready else "Waiting",
        simulated_sites=len(simulated),
    )
    await report(look.ports, look.document, values, conditions)
    for member in look.channels:
        values, conditions = statuses.channel_status(member.document, member.spec, reports[member.owner.name])
        await report(look.ports, member.document, values, conditions)
    down = [entry.name for entries in reports.values() for entry in entries if entry.state != UP]
    missing_at = ", ".join([*(() if control_ready else (names.control(look.picture.name),)), *down])
    for site in look.sites:
        values, conditions = statuses.site_status(
            site.document, site.spec, has_channels=bool(look.channels), accounts_at=missing_at
        )
        await report(look.ports, site.document, values, conditions)
