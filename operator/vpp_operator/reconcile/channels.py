"""All channels of a plant: their streams' names, their brokers, and what the twin has committed of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from vpp_contract.names import STREAM_PREFIX
from vpp_operator.decide.channels import Role, State, opening_state, role_of
from vpp_operator.errors import VPPError
from vpp_operator.ports import QUEUE_CHANNEL, DriverProgress
from vpp_operator.reconcile import brokers as brokerage
from vpp_operator.reconcile import status as statuses
from vpp_operator.reconcile.brokers import ChannelReport
from vpp_operator.reconcile.conditions import seconds_of
from vpp_operator.reconcile.definitions import Site
from vpp_operator.reconcile.desired import Member
from vpp_operator.reconcile.draining import drain, stand_by
from vpp_operator.reconcile.look import Look
from vpp_operator.reconcile.retention import move_retention
from vpp_operator.reconcile.traffic import direct_traffic, move_connections
from vpp_operator.resources.channel import channel_count, channel_host, ordinal_of, standby_count

_LOG = logging.getLogger(__name__)


async def look_at_all_channels(
    look: Look, sites: Sequence[Site], progress: DriverProgress | None
) -> dict[str, list[ChannelReport]]:
    """Look at every channel of every QueueChannel, side by side; reports by QueueChannel."""
    found = {}
    for member in look.channels:
        before = await _named_streams(look, member)
        reports = await asyncio.gather(*(_look_at_one(look, member, entry, sites, progress) for entry in before))
        kept = [report for report in reports if report is not None]
        await direct_traffic(look, kept)
        kept = await asyncio.gather(*(_kept_from_publishers(look, member, report) for report in kept))
        found[member.owner.name] = await move_connections(look, member, kept)
    return found


async def _look_at_one(
    look: Look, member: Member, before: ChannelReport, sites: Sequence[Site], progress: DriverProgress | None
) -> ChannelReport | None:
    """Return the report of one channel; None for one that is not wanted and has never been up: it is forgotten."""
    generation = member.document["metadata"].get("generation", 0)
    gave_up = before.gave_up_generation == generation
    entry = replace(before, state=opening_state(before.state, before.role, gave_up=gave_up))
    if not gave_up:
        entry = replace(entry, gave_up_generation=None)
    if entry.state is not State.DRAINING:
        entry = replace(entry, draining_since=None, marker_offset=None)
    admin, reader = look.accounts.admin(member.owner.name), look.accounts.reader()
    pod = look.picture.pod(entry.name)
    if entry.state is not State.ASLEEP:
        entry = await brokerage.look_at_channel(
            look.ports,
            pod,
            entry,
            spec=member.spec,
            admin=admin,
            reader=(reader["username"], reader["password"]),
            sites=sites,
        )
    if entry.state is State.STARTING and entry.role is Role.ASLEEP:
        return None
    if entry.state is not State.ACTIVE:
        entry = replace(entry, filling_since=None)
    elif before.state is not State.ACTIVE:
        entry = replace(entry, filling_since=look.ports.clock.time())
    return await _offsets(look, member, entry, admin, progress)


async def _kept_from_publishers(look: Look, member: Member, entry: ChannelReport) -> ChannelReport:
    """Return the report after the next step of a channel that is to have no publishers; any other as it is."""
    if entry.state not in (State.DRAINING, State.STANDBY):
        return entry
    pod = look.picture.pod(entry.name)
    admin, reader = look.accounts.admin(member.owner.name), look.accounts.reader()
    at = brokerage.address(pod, admin) if pod is not None and entry.answers else None
    own_accounts = (admin["username"], reader["username"])
    if entry.state is State.STANDBY:
        return await stand_by(look.ports, at, entry, own_accounts=own_accounts)
    return await drain(
        look.ports,
        look.memory,
        at,
        entry,
        own_accounts=own_accounts,
        deadline_seconds=member.spec.drain_deadline_seconds,
        generation=member.document["metadata"].get("generation", 0),
    )


async def _named_streams(look: Look, member: Member) -> list[ChannelReport]:
    """Return a QueueChannel's channels as `status` has them; a new one's stream is named there before it is made.

    Those that are not wanted any more stay until they sleep, and asleep they keep their stream's name.
    """
    known = {entry["name"]: entry for entry in member.document.get("status", {}).get("channels", ())}
    active, standby = channel_count(member.spec), standby_count(member.spec)
    before = []
    for ordinal in sorted({*range(active + standby), *map(ordinal_of, known)}):
        name = f"{member.owner.name}-{ordinal}"
        entry = known.get(name, {})
        before.append(
            ChannelReport(
                name=name,
                host=channel_host(member.owner.name, ordinal, look.picture.namespace),
                stream=entry.get("stream") or f"{STREAM_PREFIX}{look.ports.randomness.stream_id()}",
                state=State(entry.get("state", State.STARTING)),
                role=role_of(ordinal, active=active, standby=standby),
                committed_offset=entry.get("committedOffset"),
                first_offset=entry.get("firstOffset"),
                draining_since=seconds_of(entry.get("drainingSince")),
                filling_since=seconds_of(entry.get("fillingSince")),
                marker_offset=entry.get("markerOffset"),
                gave_up_generation=entry.get("gaveUpGeneration"),
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
    look: Look, member: Member, entry: ChannelReport, admin: Mapping[str, str], progress: DriverProgress | None
) -> ChannelReport:
    """Add what the driver has committed, and let go what it no longer needs."""
    if progress is None or entry.key not in progress.committed:
        return entry
    entry = replace(entry, committed_offset=progress.committed[entry.key])
    pod = look.picture.pod(entry.name)
    planned_us = progress.planned_us.get(entry.key)
    if entry.state is not State.ACTIVE or pod is None or planned_us is None:
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
