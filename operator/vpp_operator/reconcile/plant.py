"""One look at one plant: gather, decide what is wanted, apply, bring brokers and databases there, say what was found.

Level-triggered: every look starts from what is there, so it can be cut short at any step and the next one goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vpp_contract.names import DRIVER_PORT, TRAFFIC_LABEL
from vpp_operator.api.parsers import PARSERS
from vpp_operator.api.vppcluster import parse_vppcluster_spec
from vpp_operator.decide.channels import NOT_UP, Role, State
from vpp_operator.decide.pace import Next
from vpp_operator.errors import InvalidSpec, NotReady, VPPError
from vpp_operator.ports import DriverProgress, Manifest, Ports, Refused
from vpp_operator.reconcile import status as statuses
from vpp_operator.reconcile.accounts import Accounts
from vpp_operator.reconcile.apply import apply_all, renew_pods
from vpp_operator.reconcile.brokers import ChannelReport
from vpp_operator.reconcile.channels import look_at_all_channels
from vpp_operator.reconcile.conditions import Condition
from vpp_operator.reconcile.control import ensure_control, publish_topology
from vpp_operator.reconcile.databases import check_influx, influx_secret
from vpp_operator.reconcile.definitions import Site
from vpp_operator.reconcile.desired import Member, Plan, desired, owner_of, site_account
from vpp_operator.reconcile.gather import gather, is_deleting, trusting
from vpp_operator.reconcile.leaving import ensure_finalizers, let_go
from vpp_operator.reconcile.look import Look
from vpp_operator.reconcile.memory import Memory
from vpp_operator.reconcile.report import report
from vpp_operator.reconcile.rotation import RotationReport, look_at_rotations
from vpp_operator.reconcile.tls import broker_tls
from vpp_operator.reconcile.unmade import why_unmade
from vpp_operator.resources import names
from vpp_operator.resources.channel import ACTIVE
from vpp_operator.settings import Settings

_LOG = logging.getLogger(__name__)


async def reconcile_plant(ports: Ports, settings: Settings, memory: Memory, namespace: str, name: str) -> Next:
    """Look once at a VPPCluster with all that names it; tell when to look again.

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
        return Next.LATER if left else Next.NEVER
    await ensure_finalizers(ports, picture)
    try:
        spec = parse_vppcluster_spec(picture.vpp["spec"])
    except InvalidSpec as error:
        await report(ports, picture.vpp, {}, statuses.invalid(str(error)))
        return Next.LATER
    plant_memory = memory.of(namespace, name)
    look = Look(
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
    try:
        reports = await _look(look)
    except NotReady as error:
        # Nothing of the plant is touched: brokers without a certificate, or with another, would cut off every client.
        ready = Condition(type="Ready", status=False, reason=error.reason, message=str(error))
        await report(ports, picture.vpp, {}, [ready])
        return Next.LATER
    await let_go(ports, plant_memory, picture)
    moving = any(entry.state is State.DRAINING or entry.filling_since is not None for entry in reports)
    return Next.SOON if moving else Next.LATER


async def _members(ports: Ports, documents: Sequence[Manifest], vpp: str) -> list[Member]:
    """Parse members; one that cannot be carried out says so in its own status and keeps no other waiting."""
    members = []
    for document in documents:
        try:
            spec = PARSERS[document["kind"]](document["spec"])
        except InvalidSpec as error:
            await report(ports, document, {}, statuses.invalid(str(error)))
            continue
        members.append(Member(document=document, owner=owner_of(document, vpp), spec=spec))
    return members


async def _look(look: Look) -> list[ChannelReport]:
    ports, picture, spec = look.ports, look.picture, look.spec
    faults: list[Condition] = []
    progress = await _progress(look)
    influx = await influx_secret(look, faults)
    tls = await broker_tls(ports, picture, look.memory, spec.tls, look.channels)
    if tls is not None:
        picture = trusting(picture, tls.authority)
        look = replace(look, picture=picture)
    plan = Plan(
        owner=owner_of(look.document, picture.name),
        spec=spec,
        channels=look.channels,
        sites=look.sites,
        images=look.settings.images,
        operator_namespace=look.settings.namespace,
        influx=influx,
        run_simulator=_may_simulate(look, progress),
        tls=tls,
    )
    wanted = desired(plan, look.accounts)
    try:
        if await apply_all(ports.kubernetes, picture, wanted):
            _LOG.debug("%s/%s: manifests applied", picture.namespace, picture.name)
        await renew_pods(ports.kubernetes, picture)
    except Refused as error:
        faults.append(Condition(type="Ready", status=False, reason="Refused", message=str(error)))
    metrics = await check_influx(look, influx, faults)
    sites = _site_accounts(look)
    control = await ensure_control(look, sites, faults)
    reports = await look_at_all_channels(look, sites, progress)
    generation = await publish_topology(look, control, reports, faults)
    rotations = await look_at_rotations(look, sites, control, reports)
    await _say(look, wanted, faults, metrics, progress, reports, generation, control is not None, rotations)
    return [entry for entries in reports.values() for entry in entries]


async def _progress(look: Look) -> DriverProgress | None:
    pod = look.picture.pod(f"{names.driver(look.picture.name)}-0")
    if pod is None or not pod.address:
        return None
    try:
        return await look.ports.spark.progress(f"http://{pod.address}:{DRIVER_PORT}")
    except VPPError as error:
        _LOG.debug("driver of %s/%s: %s", look.picture.namespace, look.picture.name, error)
        return None


def _may_simulate(look: Look, progress: DriverProgress | None) -> bool:
    """Start the simulator once readings can be taken; a running one is never stopped for a fault of something else."""
    if ("StatefulSet", names.simulator(look.picture.name)) in look.picture.owned:
        return True
    channel_pods = [pod for pod in look.picture.pods if pod.labels.get(TRAFFIC_LABEL) == ACTIVE and pod.ready]
    return bool(channel_pods) and progress is not None and progress.takes_readings


def _site_accounts(look: Look) -> list[Site]:
    return [site_account(site, look.accounts) for site in look.sites]


async def _say(
    look: Look,
    wanted: Sequence[Mapping[str, Any]],
    faults: Sequence[Condition],
    metrics: Condition,
    progress: DriverProgress | None,
    reports: Mapping[str, Sequence[ChannelReport]],
    generation: int,
    control_ready: bool,
    rotations: Mapping[str, RotationReport],
) -> None:
    """Write the statuses that have changed."""
    ready = statuses.cluster_ready(
        unready=statuses.unready_sets(look.picture, wanted, await why_unmade(look.ports.kubernetes, look.picture)),
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
    down = [
        entry.name
        for entries in reports.values()
        for entry in entries
        if entry.state in NOT_UP and entry.role is Role.ACTIVE
    ]
    missing_at = ", ".join([*(() if control_ready else (names.control(look.picture.name),)), *down])
    no_simulator = statuses.not_simulated(look.picture.name, look.spec, simulator_pod)
    for site in look.sites:
        values, conditions = statuses.site_status(
            site.document,
            site.spec,
            has_channels=bool(look.channels),
            accounts_at=missing_at,
            no_simulator=no_simulator,
            rotation=rotations[site.owner.name],
        )
        await report(look.ports, site.document, values, conditions)
