"""A site's account and what its gateway needs to know; and its place in the simulator."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

from vpp_contract.readings import KINDS
from vpp_operator.api.nanogrid import NanoGridSpec, Source
from vpp_operator.api.queuechannel import QueueChannelSpec
from vpp_operator.resources import names
from vpp_operator.resources.control import ControlAddress
from vpp_operator.resources.metadata import Owner
from vpp_operator.resources.quantities import amount
from vpp_operator.resources.secret_values import secret
from vpp_operator.resources.tls import BrokerTls, port_for_clients

COMPONENT: Final = "gateway"
SITES_FOLDER: Final = "/etc/vpp/sites"


def gateway_secret(
    owner: Owner,
    *,
    texts: Mapping[str, str],
    channels: tuple[str, QueueChannelSpec] | None,
    control: ControlAddress,
    source: Source,
    tls: BrokerTls | None = None,
) -> dict[str, Any]:
    """Return a site's Secret: its account, the one before while both are valid, and `gateway.json`.

    Args:
        owner: the NanoGrid.
        texts: what the Secret says of the accounts, `username` and `password` of the current one among it.
        channels: host and spec of the QueueChannel it sends to, None while there is none.
        control: where the control broker is.
        source: where the site's readings come from, with what its gateway leaves out.
        tls: of the plant's brokers.
    """
    account = (texts["username"], texts["password"])
    settings = gateway_settings(owner.name, account, channels, control, source, tls)
    values = {**texts, "gateway.json": json.dumps(settings, sort_keys=True)}
    return secret(owner, names.gateway_secret(owner.name), COMPONENT, values)


def gateway_settings(
    site: str,
    account: tuple[str, str],
    channels: tuple[str, QueueChannelSpec] | None,
    control: ControlAddress,
    source: Source,
    tls: BrokerTls | None = None,
) -> dict[str, Any]:
    """Return what `gateway.json` holds. `account` is a user name and its password."""
    settings: dict[str, Any] = {
        "site": site,
        "username": account[0],
        "password": account[1],
        "control": {
            "host": control.host,
            "amqp_port": control.amqp_port,
            **({"tls": True} if control.tls else {}),
        },
        "batch_readings": 100,
        "linger_seconds": 0.2,
        "spool_bytes": int(amount(source.spool)),
    }
    if channels is not None:
        host, spec = channels
        more = {"mqtt_port": port_for_clients(tls, "Mqtt")} if spec.mqtt.enabled else {}
        more |= {} if tls is None else {"tls": True}
        settings["channels"] = {"host": host, "amqp_port": port_for_clients(tls, "Amqp"), **more}
        settings["durability"] = spec.durability
    if tls is not None:
        settings["authority"] = tls.authority
    if source.filter is not None:
        bands = {
            band.quantity: {"deadband": band.deadband, "min_interval_seconds": band.min_interval_seconds}
            for band in source.filter.quantities
        }
        settings["filter"] = {"quantities": bands, "longest_seconds": source.filter.longest_seconds}
    return settings


def ders(spec: NanoGridSpec) -> tuple[str, ...]:
    """Return the kinds of DER a site has, in the order of the contract."""
    return tuple(kind for kind in KINDS if getattr(spec, kind) is not None)


def simulated_site(site: str, spec: NanoGridSpec) -> dict[str, Any]:
    """Return a site's entry in `simulator.json`."""
    entry: dict[str, Any] = {
        "site": site,
        "gateway_file": f"{SITES_FOLDER}/{site}.json",
        "profile": _profile(spec),
        "ders": [{"name": kind, "kind": kind, **_values(getattr(spec, kind))} for kind in ders(spec)],
    }
    if spec.location is not None:
        entry["location"] = _values(spec.location)
    return entry


def _profile(spec: NanoGridSpec) -> Mapping[str, str]:
    profile = spec.source.profile
    if profile is None or profile.type == "Physical":
        return {"type": "Physical"}
    return {"type": profile.type, "building": profile.building}


def _values(value: Any) -> dict[str, Any]:
    return {name: item for name, item in dataclasses.asdict(value).items() if item not in (None, "")}
