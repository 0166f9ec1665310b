"""The gateway's settings: the file `gateway.json` that the operator writes for each site."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from vpp_contract.names import site_username
from vpp_contract.readings import QUANTITIES
from vpp_contract.tls import client_context
from vpp_workloads.gateway.errors import SettingsError
from vpp_workloads.gateway.filter import Band, FilterSettings

_LOG = logging.getLogger(__name__)
_ELSEWHERE: Final = {"channels", "control"}
BROKER: Final = "Broker"
END_TO_END: Final = "EndToEnd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one site's gateway reaches the channels, and how much it may keep on disk."""

    site: str
    username: str
    password: str = field(repr=False)
    host: str
    amqp_port: int = 5672
    batch_readings: int = 100
    linger_seconds: float = 0.2
    spool_bytes: int = 64 * 1024 * 1024
    window_messages: int = 64
    """How many messages may be on their way without a confirm."""
    accept_seconds: float = 30.0
    """How long `accept` waits for room in a full spool before it refuses."""
    connect_seconds: float = 10.0
    """Deadline of a connection attempt, name resolution included."""
    confirm_seconds: float = 30.0
    """How long a message may wait for its confirm before the connection is given up."""
    heartbeat_seconds: int = 20
    blocked_seconds: float = 300.0
    """How long the broker may block this connection before it is given up for another."""
    reconnect_seconds: float = 5.0
    """Upper bound of the pause between connection attempts."""
    spool_sync: str = "Normal"
    """Normal: an accepted reading survives the death of process or pod. Full: also a power cut, at an fsync each."""
    filter: FilterSettings | None = None
    """What is worth sending; None: everything."""
    control_host: str = ""
    """Control broker, for commands and marks; empty: none."""
    control_port: int = 5672
    tls: bool = False
    """Whether the channels' port speaks TLS."""
    control_tls: bool = False
    authority: str = ""
    """Certificate, PEM text, that brokers are checked against; empty: the machine's own authorities."""
    durability: str = BROKER
    """Broker: a reading leaves the spool when its broker confirms it. EndToEnd: when the twin has taken it for good."""


_CHANGE_LIVE: Final = {
    "username", "password", "host", "amqp_port", "control_host", "control_port",
    "tls", "control_tls", "authority", "connect_seconds", "heartbeat_seconds", "blocked_seconds",
}  # fmt: skip
"""What a new connection alone can change."""


def check_change(before: Settings, after: Settings) -> None:
    """Check that a running gateway can take up new settings.

    Raises:
        SettingsError: they change something that is fixed while the gateway runs.
    """
    changed = {name.name for name in fields(Settings) if getattr(before, name.name) != getattr(after, name.name)}
    if bool(before.control_host) != bool(after.control_host):
        raise SettingsError("control came or went; restart the gateway to take it up")
    if changed - _CHANGE_LIVE:
        raise SettingsError(f"{', '.join(sorted(changed - _CHANGE_LIVE))} changed; restart the gateway to take it up")


def load_settings(path: Path) -> Settings:
    """Read a settings file.

    Raises:
        SettingsError: it cannot be read or is not what `parse_settings` takes.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror}); give the gateway.json of this site") from None
    except ValueError as error:
        raise SettingsError(f"{path}: no JSON ({error}); give the gateway.json of this site") from None
    return parse_settings(values, str(path))


def parse_settings(values: object, where: str) -> Settings:
    """Turn the content of a settings file into settings. Unknown keys (of a newer operator) are ignored with a warning.

    Args:
        values: the decoded JSON.
        where: what to call the file in errors.

    Raises:
        SettingsError: a setting is missing, of the wrong type or out of range.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where}: must hold one JSON object, not a {type(values).__name__}")
    channels = values.get("channels")
    if channels is None:
        raise SettingsError(f'{where}: "channels" is missing; has the plant a QueueChannel yet?')
    if not isinstance(channels, Mapping):
        raise SettingsError(f'{where}: "channels" must be an object with the broker\'s "host" and "amqp_port"')
    known = {setting.name for setting in fields(Settings)}
    for name in sorted(set(values) - known - _ELSEWHERE):
        _LOG.warning("%s: setting %r is unknown to this version and ignored", where, name)
    site = _text(values, "site", where)
    integers = ("batch_readings", "spool_bytes", "window_messages", "heartbeat_seconds")
    numbers = (
        *("linger_seconds", "accept_seconds", "connect_seconds"),
        *("confirm_seconds", "blocked_seconds", "reconnect_seconds"),
    )
    optional: dict[str, Any] = {name: _integer(values, name, where) for name in integers if name in values}
    optional |= {name: _number(values, name, where) for name in numbers if name in values}
    if "amqp_port" in channels:
        optional["amqp_port"] = _integer(channels, "amqp_port", f"{where}: channels", maximum=65535)
    optional |= {"tls": _boolean(channels, "tls", f"{where}: channels"), "authority": _authority(values, where)}
    durability = values.get("durability", BROKER)
    if durability not in (BROKER, END_TO_END):
        raise SettingsError(f'{where}: "durability" must be "{BROKER}" or "{END_TO_END}", not {durability!r}')
    optional |= _control(values.get("control"), f"{where}: control")
    if durability == END_TO_END and "control_host" not in optional:
        raise SettingsError(f'{where}: "durability" {END_TO_END} needs "control", where marks come from')
    sync = values.get("spool_sync", "Normal")
    if sync not in ("Normal", "Full"):
        raise SettingsError(f'{where}: "spool_sync" must be "Normal" or "Full", not {sync!r}')
    return Settings(
        site=site,
        username=_text(values, "username", where, default=site_username(site)),
        password=_text(values, "password", where),
        host=_text(channels, "host", f"{where}: channels"),
        spool_sync=sync,
        durability=durability,
        filter=_filter(values["filter"], f"{where}: filter") if values.get("filter") is not None else None,
        **optional,
    )


def _control(values: object, where: str) -> dict[str, Any]:
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise SettingsError(f'{where}: must be an object with the control broker\'s "host" and "amqp_port"')
    control: dict[str, Any] = {"control_host": _text(values, "host", where)}
    if "amqp_port" in values:
        control["control_port"] = _integer(values, "amqp_port", where, maximum=65535)
    control["control_tls"] = _boolean(values, "tls", where)
    return control


def _filter(values: object, where: str) -> FilterSettings:
    if not isinstance(values, Mapping) or not isinstance(values.get("quantities"), Mapping):
        raise SettingsError(f'{where}: must be an object with "quantities", an object of bands by quantity')
    for name in sorted(set(values) - {"quantities", "longest_seconds"}):
        raise SettingsError(f'{where}: {name!r} is unknown; there are "quantities" and "longest_seconds"')
    bands = {}
    for quantity, band in values["quantities"].items():
        at = f"{where}: {quantity}"
        if quantity not in QUANTITIES:
            raise SettingsError(f"{at}: is no quantity; use one of {', '.join(QUANTITIES)}")
        if not isinstance(band, Mapping) or set(band) - {"deadband", "min_interval_seconds"}:
            raise SettingsError(f'{at}: must be an object with "deadband" and "min_interval_seconds", either or both')
        bands[quantity] = Band(**{name: _number(band, name, at) for name in band})
    longest = {"longest_seconds": _number(values, "longest_seconds", where)} if "longest_seconds" in values else {}
    return FilterSettings(quantities=bands, **longest)


def _text(values: Mapping[str, Any], name: str, where: str, default: str | None = None) -> str:
    value = values.get(name, default)
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f'{where}: "{name}" must be a text that is not empty, not {value!r}')
    return value


def _boolean(values: Mapping[str, Any], name: str, where: str) -> bool:
    value = values.get(name, False)
    if not isinstance(value, bool):
        raise SettingsError(f'{where}: "{name}" must be true or false, not {value!r}')
    return value


def _authority(values: Mapping[str, Any], where: str) -> str:
    value = values.get("authority", "")
    try:
        client_context(value)
    except (ValueError, TypeError):
        raise SettingsError(f'{where}: "authority" must be PEM text, from BEGIN CERTIFICATE on') from None
    return str(value)


def _integer(values: Mapping[str, Any], name: str, where: str, maximum: int = 2**63 - 1) -> int:
    value = values[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= maximum:
        bound = f"from 1 to {maximum}" if maximum < 2**63 - 1 else "of at least 1"
        raise SettingsError(f'{where}: "{name}" must be a whole number {bound}, not {value!r}')
    return value


def _number(values: Mapping[str, Any], name: str, where: str) -> float:
    value = values[name]
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e9:
        raise SettingsError(f'{where}: "{name}" must be a number of at least 0, not {value!r}')
    return float(value)
