"""Who uses which account of a site whose credentials rotate; `decide.rotation` says when the old one may go."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vpp_operator.decide.channels import State
from vpp_operator.decide.rotation import Limits, Rotation, Seen, advanced
from vpp_operator.errors import VPPError
from vpp_operator.ports import BrokerAddress, Manifest
from vpp_operator.reconcile.brokers import ChannelReport, address
from vpp_operator.reconcile.conditions import seconds_of
from vpp_operator.reconcile.definitions import Site
from vpp_operator.reconcile.look import Look
from vpp_operator.resources import names

_LOG = logging.getLogger(__name__)
_WITHOUT_CLIENTS = (State.ASLEEP, State.STARTING, State.WAKING)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationReport:
    """A site's accounts after a look. `previous` is the name of the one before while it is valid."""

    generation: int
    previous: str | None = None
    reason: str = ""
    progress: Rotation = field(default_factory=Rotation)


async def look_at_rotations(
    look: Look, sites: Sequence[Site], control: BrokerAddress | None, reports: Mapping[str, Sequence[ChannelReport]]
) -> dict[str, RotationReport]:
    """Return a report for each site; retire the accounts that may go. Brokers are asked only while one rotates."""
    found = {site.name: RotationReport(generation=site.generation) for site in sites}
    rotating = [site for site in sites if site.previous is not None]
    if not rotating:
        return found
    on_channels, on_control, silent = await _connections(look, control, reports)
    members = {member.owner.name: member for member in look.sites}
    for site in rotating:
        assert site.previous is not None
        old = site.previous.username
        seen = Seen(
            without_answer=tuple(silent),
            old_connections=on_channels[old] + on_control[old],
            new_channel_connections=on_channels[site.username],
        )
        member = members[site.name]
        wanted = member.spec.source.credentials
        limits = Limits(grace_seconds=wanted.grace_seconds, silence_seconds=wanted.silence_seconds)
        progress, done, reason = advanced(_before(member.document, old), seen, limits, look.ports.clock.time())
        if done:
            _LOG.info("site %s: the account %s goes: %s", site.name, old, reason)
            look.accounts.retire(site)
        found[site.name] = RotationReport(generation=site.generation, previous=old, reason=reason, progress=progress)
    return found


def _before(document: Manifest, old: str) -> Rotation:
    """Return how far the rotation away from an account was at the last look; what is said of another does not count."""
    said = document.get("status", {}).get("credentials", {})
    if said.get("previous") != old:
        return Rotation()
    return Rotation(
        old_unused_since=seconds_of(said.get("previousUnusedSince")), silent_since=seconds_of(said.get("silentSince"))
    )


async def _connections(
    look: Look, control: BrokerAddress | None, reports: Mapping[str, Sequence[ChannelReport]]
) -> tuple[Counter[str], Counter[str], list[str]]:
    """Return the connections by account, on the channels and on the control broker, and who has not said."""
    silent: list[str] = []
    addresses: list[tuple[str, BrokerAddress]] = []
    for queue_channel, entries in reports.items():
        for entry in entries:
            pod = look.picture.pod(entry.name)
            if entry.answers and pod is not None:
                addresses.append((entry.name, address(pod, look.accounts.admin(queue_channel))))
            elif entry.state not in _WITHOUT_CLIENTS:
                silent.append(entry.name)
    counters = await asyncio.gather(*(_by_account(look, name, at, silent) for name, at in addresses))
    on_channels = Counter[str]()
    for counter in counters:
        on_channels.update(counter)
    name = names.control(look.picture.name)
    if control is None:
        silent.append(name)
        return on_channels, Counter(), silent
    return on_channels, await _by_account(look, name, control, silent), silent


async def _by_account(look: Look, name: str, at: BrokerAddress, silent: list[str]) -> Counter[str]:
    try:
        return Counter(one.username for one in await look.ports.brokers.connections(at))
    except VPPError as error:
        _LOG.warning("connections of %s: %s", name, error)
        silent.append(name)
        return Counter()
