"""The manifests a plant consists of: specs and accounts in, manifests out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vpp_operator.api.group import API_VERSION
from vpp_operator.api.nanogrid import NanoGridSpec
from vpp_operator.api.queuechannel import QueueChannelSpec
from vpp_operator.api.vppcluster import VPPClusterSpec
from vpp_operator.ports import Manifest
from vpp_operator.reconcile.accounts import Accounts, site_texts
from vpp_operator.reconcile.definitions import Site
from vpp_operator.resources import names
from vpp_operator.resources.channel import channel_pods, channels
from vpp_operator.resources.control import control_address, control_broker
from vpp_operator.resources.hdfs import hdfs
from vpp_operator.resources.history import history
from vpp_operator.resources.images import Images
from vpp_operator.resources.influxdb import influxdb
from vpp_operator.resources.metadata import Owner
from vpp_operator.resources.nanogrid import ders, gateway_secret, gateway_settings
from vpp_operator.resources.network import network_policies
from vpp_operator.resources.plant import plant_settings
from vpp_operator.resources.secret_values import secret
from vpp_operator.resources.simulator import simulator, simulator_settings
from vpp_operator.resources.spark import driver, spark, workers_per_pool
from vpp_operator.resources.tls import BrokerTls, tls_secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A QueueChannel or NanoGrid with its parsed spec."""

    document: Manifest
    owner: Owner
    spec: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a plant's manifests follow from."""

    owner: Owner
    spec: VPPClusterSpec
    channels: Sequence[Member]
    sites: Sequence[Member]
    images: Images
    operator_namespace: str
    influx: Mapping[str, str]
    run_simulator: bool
    tls: BrokerTls | None = None


def owner_of(document: Manifest, vpp: str) -> Owner:
    """Return the owner of what is made for a resource."""
    metadata = document["metadata"]
    return Owner(
        api_version=API_VERSION,
        kind=document["kind"],
        name=metadata["name"],
        namespace=metadata["namespace"],
        uid=metadata["uid"],
        vpp=vpp,
    )


def desired(plan: Plan, accounts: Accounts) -> list[dict[str, Any]]:
    """Return every manifest of a plant, Secrets first: pods must not start before what they mount."""
    owner, spec, images = plan.owner, plan.spec, plan.images
    reader = accounts.reader()
    wanted = [
        secret(owner, names.reader_secret(owner.vpp), "reader", reader),
        secret(owner, names.influxdb_secret(owner.vpp), "influxdb", plan.influx),
    ]
    if plan.tls is not None:
        wanted += tls_secrets(owner, plan.tls)
    if spec.broker.external is None:
        admin = accounts.admin(names.control(owner.vpp))
        wanted.append(secret(owner, names.admin_secret(names.control(owner.vpp)), "control", admin))
        wanted += control_broker(owner, spec, images, admin, plan.tls)
    for channel in plan.channels:
        admin = accounts.admin(channel.owner.name)
        wanted.append(secret(channel.owner, names.admin_secret(channel.owner.name), "channel", admin))
        known = channel.document.get("status", {}).get("channels", ())
        wanted += channels(channel.owner, channel.spec, images, admin, channel_pods(channel.spec, known), plan.tls)
    wanted += hdfs(owner, spec, images)
    wanted += influxdb(owner, spec, images, plan.influx)
    wanted += spark(owner, spec, images, workers_per_pool(spec))
    read_at_start: dict[str, Any] = {"reader": dict(reader), "influx": dict(plan.influx)}
    if plan.tls is not None:
        read_at_start["authority"] = plan.tls.authority
    marks = any(channel.spec.durability == "EndToEnd" for channel in plan.channels)
    wanted += driver(owner, spec, images, read_at_start, marks=marks)
    wanted += history(owner, spec, images)
    wanted.append(plant_settings(owner, spec, {site.owner.name: site.spec for site in plan.sites}))
    specs = [channel.spec for channel in plan.channels]
    wanted += network_policies(owner, spec, specs, plan.operator_namespace, plan.tls)
    return wanted + _sites(plan, accounts)


def _sites(plan: Plan, accounts: Accounts) -> list[dict[str, Any]]:
    target = _target(plan.owner, plan.channels)
    control = control_address(plan.owner, plan.spec)
    wanted = []
    gateways: dict[str, str] = {}
    simulated: dict[str, NanoGridSpec] = {}
    for site in plan.sites:
        account, source = site_account(site, accounts), site.spec.source
        texts = site_texts(account)
        wanted.append(
            gateway_secret(site.owner, texts=texts, channels=target, control=control, source=source, tls=plan.tls)
        )
        if source.type == "Simulated" and target is not None:
            simulated[site.owner.name] = site.spec
            settings = gateway_settings(
                site.owner.name, (account.username, account.password), target, control, source, plan.tls
            )
            gateways[site.owner.name] = json.dumps(settings, sort_keys=True)
    if plan.spec.simulator is not None and simulated:
        wanted += simulator_settings(plan.owner, plan.spec, simulated, gateways)
        if plan.run_simulator:
            wanted += simulator(plan.owner, plan.spec, plan.images, simulated, gateways)
    return wanted


def site_account(site: Member, accounts: Accounts) -> Site:
    """Return the accounts of a site, of the generation that its spec asks for as soon as that may be."""
    return accounts.site(site.owner.name, site.spec.source.credentials.generation, ders(site.spec))


def _target(owner: Owner, members: Sequence[Member]) -> tuple[str, QueueChannelSpec] | None:
    """Return where sites send to: the first QueueChannel by name."""
    if not members:
        return None
    return names.service_host(members[0].owner.name, owner.namespace), members[0].spec
