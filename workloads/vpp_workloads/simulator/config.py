"""The simulator's configuration: the file `simulator.json` that the operator writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from vpp_contract.readings import DER_BYTES, KINDS
from vpp_workloads.simulator.errors import ConfigError
from vpp_workloads.simulator.fields import Fields
from vpp_workloads.simulator.horizon import HOUR_SECONDS, Horizon

MAX_DAYS: Final = 366


class ProfileType(StrEnum):
    """Where a site's energy comes from."""

    DATA = "Data"
    PHYSICAL = "Physical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A place on earth."""

    latitude: float
    longitude: float
    altitude_m: float = 0.0

    @property
    def utc_offset_hours(self) -> int:
        """Local standard time after the sun: one hour for every 15 degrees."""
        return round(self.longitude / 15)


DEFAULT_LOCATION: Final = Location(latitude=34.09, longitude=-117.44, altitude_m=380.0)
"""Fontana, California."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DerConfig:
    """One DER. `ratings` holds what its kind's model reads, see docs/profiles.md."""

    name: str
    kind: str
    ratings: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteConfig:
    """One site with its gateway settings, profile and DERs."""

    site: str
    gateway_file: Path
    profile: ProfileType
    building: str
    location: Location | None
    ders: tuple[DerConfig, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole simulation."""

    vpp: str
    acceleration: float
    horizon: Horizon
    reading_interval_seconds: int
    seed: int
    data_folder: Path | None
    utc_offset_hours: float
    connect_deadline_seconds: float
    sites: tuple[SiteConfig, ...]


def load_config(path: Path, data_folder: Path | None = None) -> Config:
    """Read a configuration file; `data_folder` takes the place of the one it names.

    Raises:
        ConfigError: it cannot be read or is not what `parse_config` takes.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror}); set VPP_SIMULATOR_CONFIG to simulator.json"
        ) from None
    except ValueError as error:
        raise ConfigError(f"{path}: no JSON ({error})") from None
    if data_folder is not None and isinstance(values, Mapping):
        values = {**values, "data_folder": str(data_folder)}
    return parse_config(values, str(path))


def parse_config(values: object, where: str) -> Config:
    """Turn the content of a configuration file into a configuration.

    Raises:
        ConfigError: a field is missing, of the wrong type, out of range or contradicts another.
    """
    top = Fields(values, where)
    interval = top.integer("reading_interval_seconds", 60, minimum=1)
    if HOUR_SECONDS % interval:
        raise ConfigError(f'{where}: "reading_interval_seconds" must divide an hour, {interval} does not; use 60, say')
    data_folder = top.text("data_folder", "")
    default_location = _location(top.child("location"))
    sites = tuple(_site(site, default_location) for site in top.children("sites"))
    names = [site.site for site in sites]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f'{where}: site "{name}" is listed {names.count(name)} times; give each site a name of its own'
            )
    for site in sites:
        if site.profile is ProfileType.DATA and not data_folder:
            raise ConfigError(
                f'{where}: site "{site.site}" follows a building, but "data_folder" is not set; name the folder'
            )
    return Config(
        vpp=top.text("vpp"),
        acceleration=top.number("acceleration", 720.0, minimum=0.001, maximum=1e6),
        horizon=Horizon(
            start=_start(top.text("start"), where), hours=24 * top.integer("days", 1, minimum=1, maximum=MAX_DAYS)
        ),
        reading_interval_seconds=interval,
        seed=top.integer("seed", 1),
        data_folder=Path(data_folder) if data_folder else None,
        utc_offset_hours=top.number("utc_offset_hours", 0.0, minimum=-14, maximum=14),
        connect_deadline_seconds=top.number("connect_deadline_seconds", 300.0, minimum=0),
        sites=sites,
    )


def _start(text: str, where: str) -> datetime:
    try:
        start = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f'{where}: "start" must be a time such as 2022-06-21T00:00:00Z, not {text!r}') from None
    if start.tzinfo is None:
        raise ConfigError(f'{where}: "start" has no time zone; write {text}Z for UTC')
    start = start.astimezone(UTC)
    if start.minute or start.second or start.microsecond:
        raise ConfigError(f'{where}: "start" must be a full hour, not {text}')
    return start


def _location(fields: Fields | None) -> Location | None:
    if fields is None:
        return None
    return Location(
        latitude=fields.number("latitude", minimum=-90, maximum=90),
        longitude=fields.number("longitude", minimum=-180, maximum=180),
        altitude_m=fields.number("altitude_m", 0.0, minimum=-500, maximum=9000),
    )


def _site(fields: Fields, default_location: Location | None) -> SiteConfig:
    name = fields.text("site")
    profile = fields.child("profile") or Fields({"type": "Physical"}, f"{fields.where}: profile")
    kind = profile.choice("type", tuple(ProfileType))
    ders = tuple(_der(der, name) for der in fields.children("ders"))
    names = [der.name for der in ders]
    if len(set(names)) != len(names):
        raise ConfigError(f"{fields.where}: two DERs of site {name} have the same name; give each a name of its own")
    if not ders:
        raise ConfigError(f"{fields.where}: site {name} has no DERs; give it at least one")
    return SiteConfig(
        site=name,
        gateway_file=Path(fields.text("gateway_file")),
        profile=ProfileType(kind),
        building=profile.text("building") if kind == ProfileType.DATA else "",
        location=_location(fields.child("location")) or default_location,
        ders=ders,
    )


def _der(fields: Fields, site: str) -> DerConfig:
    name, kind = fields.text("name"), fields.choice("kind", KINDS)
    if "/" in name or len(f"{site}/{name}".encode()) > DER_BYTES:
        raise ConfigError(f"{fields.where}: {site}/{name} must take at most {DER_BYTES} bytes and hold one slash")
    return DerConfig(
        name=name, kind=kind, ratings={key: value for key, value in fields.values.items() if value is not None}
    )
