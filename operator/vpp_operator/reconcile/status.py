"""What is said of a plant in `status`: pure values from one look's findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from vpp_contract.names import VPP_LABEL
from vpp_operator.api.nanogrid import NanoGridSpec
from vpp_operator.api.queuechannel import QueueChannelSpec
from vpp_operator.api.schema import pending_fields
from vpp_operator.api.vppcluster import VPPClusterSpec
from vpp_operator.decide.channels import NOT_UP, Role, State
from vpp_operator.ports import DriverProgress, Manifest
from vpp_operator.reconcile.brokers import ChannelReport, Loss
from vpp_operator.reconcile.conditions import Condition, timestamp
from vpp_operator.reconcile.gather import Picture, Pod
from vpp_operator.reconcile.rotation import RotationReport
from vpp_operator.resources import names
from vpp_operator.resources.metadata import CHANNELS_LABEL
from vpp_operator.resources.nanogrid import ders
from vpp_operator.resources.spark import worker_selector, workers_per_pool

_NO_LOOP: Final = Condition(
    type="Reliable",
    status=None,
    reason="ControlLoopPending",
    message="Diagnosis and scaling by load are not part of this version; nothing can be said yet.",
)


def pending(spec: Any) -> Condition:
    """Return the condition on fields that are set and not acted on yet."""
    fields = sorted(pending_fields(spec))
    if not fields:
        return Condition(type="FeaturesPending", status=False, reason="None", message="All set fields are acted on.")
    return Condition(
        type="FeaturesPending",
        status=True,
        reason="NotActedOnYet",
        message=f"Not acted on by this version: {', '.join(fields)}.",
    )


def invalid(message: str) -> list[Condition]:
    """Return the conditions of a resource whose spec cannot be carried out."""
    return [Condition(type="Ready", status=False, reason="InvalidSpec", message=message)]


def without_plant(vpp: str) -> list[Condition]:
    """Return the conditions of a resource whose VPPCluster is not there."""
    message = f"There is no VPPCluster {vpp} in this namespace; make it, or correct spec.vppRef.name."
    return [Condition(type="Ready", status=False, reason="VPPNotFound", message=message)]


def unready_sets(picture: Picture, wanted: Sequence[Manifest], unmade: Mapping[str, str]) -> list[str]:
    """Return what wanted StatefulSets lack, in words.

    The reason of a pod that does not start is named, or, from `unmade`, why there is none.
    """
    found = []
    for manifest in wanted:
        if manifest["kind"] != "StatefulSet":
            continue
        name, replicas = manifest["metadata"]["name"], manifest["spec"]["replicas"]
        live = picture.owned.get(("StatefulSet", name))
        ready = (live or {}).get("status", {}).get("readyReplicas", 0)
        if live is not None and ready >= replicas:
            continue
        reasons = [pod.waiting for pod in picture.pods if pod.name.rpartition("-")[0] == name and pod.waiting]
        reasons += [unmade[name]] if name in unmade else []
        found.append(f"{name} {ready}/{replicas}{f' ({reasons[0]})' if reasons else ''}")
    return found


def cluster_ready(
    *, unready: Sequence[str], faults: Sequence[Condition], progress: DriverProgress | None, has_channels: bool
) -> Condition:
    """Return a VPPCluster's Ready condition; a fault comes before what merely takes its time."""

    def not_ready(reason: str, message: str) -> Condition:
        return Condition(type="Ready", status=False, reason=reason, message=message)

    if faults:
        return not_ready(faults[0].reason, faults[0].message)
    if unready:
        return not_ready("PodsStarting", f"Waiting for {', '.join(unready)}.")
    if not has_channels:
        return not_ready(
            "NoQueueChannel", "No QueueChannel names this VPPCluster; make one, so that readings can arrive."
        )
    if progress is None:
        return not_ready("DriverStarting", "The streaming driver does not answer yet.")
    if progress.state != "Running":
        return not_ready(f"Driver{progress.state}", progress.reason or f"The streaming driver is {progress.state}.")
    if not progress.takes_readings:
        return not_ready("FirstBatch", "The streaming driver runs and is on its first batch.")
    return Condition(
        type="Ready", status=True, reason="Running", message="Readings are taken, and the digital twin is kept."
    )


def cluster_status(
    picture: Picture,
    spec: VPPClusterSpec,
    conditions: Sequence[Condition],
    *,
    progress: DriverProgress | None,
    topology_generation: int,
    simulator_state: str,
    simulated_sites: int,
) -> tuple[dict[str, Any], list[Condition]]:
    """Return a VPPCluster's status without its conditions, and these."""
    desired = workers_per_pool(spec)
    pools = []
    for pool in spec.worker_pools:
        live = picture.owned.get(("StatefulSet", names.pool(picture.name, pool.name)), {})
        counts = live.get("status", {})
        pools.append(
            {
                "name": pool.name,
                "desired": desired[pool.name],
                "active": counts.get("replicas", 0),
                "ready": counts.get("readyReplicas", 0),
            }
        )
    status: dict[str, Any] = {
        "replicas": sum(pool["ready"] for pool in pools),
        "selector": worker_selector(picture.name),
        "pools": pools,
        "topologyGeneration": topology_generation,
        "sites": len(picture.live_sites()),
        "streaming": {
            "state": progress.state if progress else "Unknown",
            "reason": progress.reason if progress else "the driver does not answer",
        },
    }
    if spec.simulator is not None:
        status["simulator"] = {"state": simulator_state, "sites": simulated_sites}
    return status, [*conditions, _NO_LOOP, pending(spec)]


def channel_status(
    document: Manifest, spec: QueueChannelSpec, reports: Sequence[ChannelReport]
) -> tuple[dict[str, Any], list[Condition]]:
    """Return a QueueChannel's status without its conditions, and these."""
    active = [report for report in reports if report.state is State.ACTIVE]
    losses = [_loss(report.loss) for report in reports if report.loss is not None]
    lost = {item["stream"]: item for item in (*document.get("status", {}).get("lost", ()), *losses)}
    name, vpp = document["metadata"]["name"], document["spec"]["vppRef"]["name"]
    status: dict[str, Any] = {
        "replicas": len(active),
        "selector": f"{VPP_LABEL}={vpp},{CHANNELS_LABEL}={name}",
        "channels": [channel_entry(report) for report in reports],
    }
    if lost:
        status["lost"] = list(lost.values())
    waiting = [report for report in reports if report.state in NOT_UP and report.role is Role.ACTIVE]
    ready = (
        Condition(
            type="Ready",
            status=False,
            reason="ChannelsDown" if any(report.state is State.DOWN for report in waiting) else "ChannelsStarting",
            message="; ".join(
                f"{report.name} is {report.state}: {report.reason or 'not up yet'}" for report in waiting
            ),
        )
        if waiting
        else Condition(
            type="Ready",
            status=True,
            reason="Active",
            message=" ".join(
                [
                    f"{len(active)} channels take readings." if len(active) != 1 else "1 channel takes readings.",
                    *(
                        f"{report.name} is {report.state}: {report.reason}."
                        for report in reports
                        if _is_on_its_way(report)
                    ),
                ]
            ),
        )
    )
    return status, [ready, _degraded(list(lost.values()), spec.durability), _limited(reports), pending(spec)]


def _is_on_its_way(report: ChannelReport) -> bool:
    """Whether a channel that does not take readings is worth a word: it leaves, or is to stand by and is not up."""
    return report.role is not Role.ACTIVE and bool(report.reason) and report.state not in (State.ACTIVE, State.ASLEEP)


def _limited(reports: Sequence[ChannelReport]) -> Condition:
    kept = [report for report in reports if report.gave_up_generation is not None]
    if not kept:
        return Condition(
            type="ScalingLimited", status=False, reason="NotLimited", message="Nothing keeps a channel from its state."
        )
    names_of_kept = ", ".join(report.name for report in kept)
    return Condition(
        type="ScalingLimited",
        status=True,
        reason="DrainDeadline",
        message=f"{names_of_kept} could not be drained within drainDeadlineSeconds and stays up; "
        "the drain is tried again when the spec changes.",
    )


def channel_entry(report: ChannelReport) -> dict[str, Any]:
    """Return one channel as it stands in `status.channels`."""
    values = {
        "name": report.name,
        "state": str(report.state),
        "stream": report.stream,
        "host": report.host,
        "committedOffset": report.committed_offset,
        "firstOffset": report.first_offset,
        "messages": report.messages,
        "drainingSince": None if report.draining_since is None else timestamp(report.draining_since),
        "markerOffset": report.marker_offset,
        "gaveUpGeneration": report.gave_up_generation,
        "fillingSince": None if report.filling_since is None else timestamp(report.filling_since),
        "reason": report.reason or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _loss(loss: Loss) -> dict[str, Any]:
    return {
        "stream": loss.stream,
        "channel": loss.channel,
        "fromOffset": loss.from_offset,
        "toOffset": loss.to_offset,
        "reason": loss.reason,
    }


def _degraded(lost: Sequence[Mapping[str, Any]], durability: str) -> Condition:
    if not lost:
        return Condition(type="Degraded", status=False, reason="NoLoss", message="No unread reading was lost.")
    ranges = ", ".join(
        f"{item['channel']}/{item['stream']} from offset {item['fromOffset']} "
        f"to {'an unknown end' if item['toOffset'] < 0 else item['toOffset']}"
        for item in lost
    )
    again = " Gateways send again what they still keep." if durability == "EndToEnd" else ""
    message = f"Lost before the twin read it: {ranges}.{again}"
    return Condition(type="Degraded", status=True, reason="DataLoss", message=message)


def not_simulated(vpp: str, spec: VPPClusterSpec, pod: Pod | None) -> Condition | None:
    """Return why the simulated sites of a plant send nothing, None while the simulator's `pod` is ready."""
    if spec.simulator is None:
        reason = "NoSimulator"
        message = (
            f"VPPCluster {vpp} has no spec.simulator; set it, for example to {{}}, or source.type to Gateway here."
        )
    elif pod is None:
        reason, message = "SimulatorStarting", "The simulator starts when the twin takes readings."
    elif not pod.ready:
        reason = "SimulatorDown" if pod.waiting else "SimulatorStarting"
        message = f"The simulator's pod {pod.name} is not ready{f': {pod.waiting}' if pod.waiting else ''}."
    else:
        return None
    return Condition(type="Ready", status=False, reason=reason, message=message)


def site_status(
    document: Manifest,
    spec: NanoGridSpec,
    *,
    has_channels: bool,
    accounts_at: str,
    no_simulator: Condition | None,
    rotation: RotationReport,
) -> tuple[dict[str, Any], list[Condition]]:
    """Return a NanoGrid's status without its conditions, and these.

    `accounts_at` says where its account is missing, `no_simulator` why nobody sends for it if it is simulated.
    """
    name = document["metadata"]["name"]
    if not has_channels:
        ready = Condition(
            type="Ready",
            status=False,
            reason="NoQueueChannel",
            message="The plant has no QueueChannel, so the site has nowhere to send to; make one.",
        )
    elif accounts_at:
        ready = Condition(
            type="Ready",
            status=False,
            reason="AccountPending",
            message=f"Its account is not there yet on {accounts_at}.",
        )
    elif spec.source.type == "Simulated" and no_simulator is not None:
        ready = no_simulator
    else:
        where = f"Its account and gateway settings are in the Secret {names.gateway_secret(name)}."
        if rotation.previous is not None:
            where += f" The account {rotation.previous} before is valid, too: {rotation.reason}."
        ready = Condition(type="Ready", status=True, reason="AccountMade", message=where)
    status = {"secretName": names.gateway_secret(name), "ders": list(ders(spec)), "source": spec.source.type}
    return {**status, "credentials": credentials_entry(rotation)}, [ready, pending(spec)]


def credentials_entry(rotation: RotationReport) -> dict[str, Any]:
    """Return a site's accounts as they stand in `status.credentials`."""
    values = {
        "generation": rotation.generation,
        "previous": rotation.previous,
        "previousUnusedSince": _time(rotation.progress.old_unused_since),
        "silentSince": _time(rotation.progress.silent_since),
    }
    return {name: value for name, value in values.items() if value is not None}


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else timestamp(seconds)
