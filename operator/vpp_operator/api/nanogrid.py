"""NanoGrid: one site with its DERs, its source of readings, its tariff and its trading wishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from vpp_contract.readings import QUANTITIES
from vpp_operator.api.schema import BYTES, Rule, described, parse
from vpp_operator.api.shared import VppReference

LOAD_PROFILES: Final = ("h0", "h0_dyn", "g0", "g1", "g2", "g3", "g4", "g5", "g6", "l0", "l1", "l2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where the site is."""

    latitude: float = described("Degrees north.", minimum=-90, maximum=90)
    longitude: float = described("Degrees east.", minimum=-180, maximum=180)
    altitude_m: float = described("Metres above the sea.", default=0.0, minimum=-500, maximum=9000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pv:
    """Photovoltaic panels."""

    nominal_kw: float = described("Power under standard test conditions, in kW.", above=0, maximum=1e6)
    tilt_deg: float = described("Tilt from the horizontal, in degrees.", default=20.0, minimum=0, maximum=90)
    azimuth_deg: float = described(
        "Direction faced, in degrees clockwise from north; 180 is south.", default=180.0, minimum=0, maximum=360
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """A battery (energy storage system, ESS)."""

    RULES: ClassVar = (
        Rule(
            name="battery-initial-soc",
            rule="self.initialSoc >= 1.0 - self.depthOfDischarge",
            message="battery.initialSoc must not be below 1 - depthOfDischarge; raise one of them",
        ),
    )

    capacity_kwh: float = described("Usable and unusable capacity together, in kWh.", above=0, maximum=1e6)
    max_power_kw: float = described("Charging and discharging limit of the converter, in kW.", above=0, maximum=1e6)
    efficiency: float = described("Energy out over energy in, of a whole cycle.", default=0.9, minimum=0.01, maximum=1)
    depth_of_discharge: float = described("Share of the capacity that may be used.", default=0.9, above=0, maximum=1)
    initial_soc: float = described(
        "State of charge at the start, as a share of the capacity.", default=0.5, minimum=0, maximum=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the site consumes."""

    annual_kwh: float = described(
        "Consumption in a year, in kWh; scales the standard profile.", default=4000.0, above=0, maximum=1e9
    )
    profile: str = described(
        "Standard load profile by BDEW's name: h0 household (h0_dyn with its seasons), g0 to g6 trade, l0 to l2 farms.",
        default="h0",
        enum=LOAD_PROFILES,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wind:
    """A wind turbine."""

    nominal_kw: float = described("Rated power, in kW.", above=0, maximum=1e6)
    hub_height_m: float = described("Hub height, in m.", default=30.0, minimum=1, maximum=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hydro:
    """A small hydro plant."""

    nominal_kw: float = described("Rated power, in kW.", above=0, maximum=1e6)
    head_m: float = described("Head, in m.", default=10.0, minimum=0.5, maximum=2000)
    efficiency: float | None = described(
        "Electrical energy out over the water's energy in; without it 0.8.", default=None, minimum=0.1, maximum=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ev:
    """An electric vehicle and its charging point."""

    RULES: ClassVar = (
        Rule(
            name="ev-drive",
            rule="!has(self.driveKwh) || self.driveKwh <= self.capacityKwh",
            message="ev.driveKwh must not be above capacityKwh; it is what a day's driving takes from the battery",
        ),
    )

    capacity_kwh: float = described("Battery capacity, in kWh.", above=0, maximum=10000)
    charger_kw: float = described("Charging power, in kW.", above=0, maximum=10000)
    drive_kwh: float | None = described(
        "Energy an average day's driving takes from the battery, in kWh; without it 9.",
        default=None,
        minimum=0,
        maximum=10000,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a simulated site follows."""

    RULES: ClassVar = (
        Rule(
            name="profile-building",
            rule="self.type != 'Data' || self.building != ''",
            message="profile of type Data needs building, a name from the data folder's schema.json",
        ),
        Rule(
            name="profile-building-data-only",
            rule="self.type == 'Data' || self.building == ''",
            message="profile.building is for type Data only; remove it or set type to Data",
        ),
    )

    type: str = described(
        "Physical: models of sun, wind, water and people. Data: measured values of a building.",
        default="Physical",
        enum=("Physical", "Data"),
    )
    building: str = described("Building in the data folder.", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterBand:
    """When a change of one quantity is worth sending."""

    quantity: str = described("The quantity, such as power_kw.", enum=QUANTITIES)
    deadband: float = described(
        "It is sent when it has changed by more than this since it was sent last, in the quantity's unit.",
        default=0.0,
        minimum=0,
    )
    min_interval_seconds: float = described(
        "But not sooner than so many seconds after the last reading.", default=0.0, minimum=0, maximum=86400
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What the site's gateway leaves out. Energy is never left out: it goes with the next reading that is sent."""

    quantities: tuple[FilterBand, ...] = described(
        "Quantities whose changes are worth sending; others are no reason to send.",
        fewest=1,
        longest=13,
        map_key="quantity",
    )
    longest_seconds: float = described(
        "After so many seconds a reading is sent in any case.", default=300.0, minimum=0, maximum=86400
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The site's account on the brokers, and how it is replaced without losing a reading."""

    RULES: ClassVar = (
        Rule(
            name="credentials-forward",
            rule="self.generation >= oldSelf.generation",
            message="source.credentials.generation cannot go back, that account is gone; raise it instead",
        ),
    )

    generation: int = described(
        "Number of the account. Raise it to rotate: a new account is made, both are valid, and the old one goes once "
        "the site uses the new one.",
        default=1,
        minimum=1,
        maximum=1_000_000_000,
    )
    grace_seconds: int = described(
        "The old account goes when the new one is connected and nobody has used the old one for so many seconds. "
        "Devices that connect now and then need a longer time.",
        default=60,
        minimum=0,
        maximum=31_536_000,
    )
    silence_seconds: int = described(
        "The old account also goes when the site has not connected at all for so many seconds.",
        default=86_400,
        minimum=60,
        maximum=31_536_000,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the site's readings come from."""

    RULES: ClassVar = (
        Rule(
            name="source-filter-gateway-only",
            rule="self.type == 'Gateway' || !has(self.filter)",
            message="source.filter is for gateways only; remove it or set source.type to Gateway",
        ),
        Rule(
            name="source-spool-least",
            rule="quantity(self.spool).compareTo(quantity('128Ki')) >= 0",
            message="source.spool must be at least 128Ki; a smaller one has no room for a few hundred readings",
        ),
    )

    type: str = described(
        "Gateway: a real site gateway or device, with the account in the Secret <name>-gateway. Simulated: the plant's "
        "simulator.",
        default="Gateway",
        enum=("Gateway", "Simulated"),
    )
    profile: Profile | None = described("What a simulated site follows; without it Physical.", default=None)
    spool: str = described(
        "What the gateway keeps on disk at most until a broker has confirmed it. A full one makes callers wait, then "
        "refuses.",
        default="64Mi",
        pattern=BYTES,
        longest=20,
    )
    filter: Filter | None = described("What the gateway leaves out; without it nothing.", default=None)
    credentials: Credentials = described("The site's account on the brokers.", default=Credentials())


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What the site pays and gets. Prices may be negative."""

    RULES: ClassVar = (
        Rule(
            name="tariff-hours",
            rule=(
                "(!has(self.importPriceByHour) || size(self.importPriceByHour) in [0, 24])"
                " && (!has(self.exportPriceByHour) || size(self.exportPriceByHour) in [0, 24])"
            ),
            message="tariff prices by hour must be 24, one for each hour of the day; a single price is importPrice",
        ),
    )

    import_price: float = described("Price of energy from the grid, per kWh.", default=0.3, pending=True)
    export_price: float = described("Price of energy to the grid, per kWh.", default=0.08, pending=True)
    import_price_by_hour: tuple[float, ...] = described(
        "Price of energy from the grid in each hour of the local day, per kWh; 24 of them win over importPrice.",
        default=(),
        longest=24,
        pending=True,
    )
    export_price_by_hour: tuple[float, ...] = described(
        "Price of energy to the grid in each hour of the local day, per kWh; 24 of them win over exportPrice.",
        default=(),
        longest=24,
        pending=True,
    )
    currency: str = described("Currency, as in ISO 4217.", default="EUR", pattern=r"^[A-Z]{3}$", pending=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """Whether and how the site trades with others."""

    enabled: bool = described("Whether the site takes part.", default=False, pending=True)
    max_export_kw: float = described(
        "Limit of its connection towards the grid, in kW; 0: none.", default=0.0, minimum=0, pending=True
    )
    max_import_kw: float = described(
        "Limit of its connection from the grid, in kW; 0: none.", default=0.0, minimum=0, pending=True
    )
    battery_wear_per_kwh: float = described(
        "What a kWh in or out of the battery costs its life, in the tariff's currency.",
        default=0.0,
        minimum=0,
        pending=True,
    )


_DERS = "(has(self.pv) || has(self.battery) || has(self.load) || has(self.wind) || has(self.hydro) || has(self.ev))"


@dataclass(frozen=True, slots=True, kw_only=True)
class NanoGridSpec:
    """One site."""

    RULES: ClassVar = (
        Rule(
            name="nanogrid-simulated-ders",
            rule=f"self.source.type != 'Simulated' || {_DERS}",
            message="a simulated site needs at least one of pv, battery, load, wind, hydro, ev",
        ),
        Rule(
            name="nanogrid-profile-simulated",
            rule="self.source.type == 'Simulated' || !has(self.source.profile)",
            message="source.profile is for simulated sites only; remove it or set source.type to Simulated",
        ),
        Rule(
            name="nanogrid-physical-location",
            rule=(
                "self.source.type != 'Simulated' || has(self.location) || !(has(self.wind) || (has(self.pv)"
                " && !(has(self.source.profile) && self.source.profile.type == 'Data')))"
            ),
            message="simulated wind, and pv without a profile of type Data, need location (latitude and longitude)",
        ),
    )

    vpp_ref: VppReference = described("The VPPCluster the site belongs to.")
    location: Location | None = described("Where the site is; physical models need it.", default=None)
    pv: Pv | None = described("Photovoltaic panels.", default=None)
    battery: Battery | None = described("A battery.", default=None)
    load: Load | None = described("What the site consumes.", default=None)
    wind: Wind | None = described("A wind turbine.", default=None)
    hydro: Hydro | None = described("A small hydro plant.", default=None)
    ev: Ev | None = described("An electric vehicle.", default=None)
    source: Source = described("Where readings come from.", default=Source())
    tariff: Tariff = described("What the site pays and gets.", default=Tariff())
    trading: Trading = described("Whether the site trades.", default=Trading())


def parse_nanogrid_spec(values: Mapping[str, Any]) -> NanoGridSpec:
    """Return a NanoGrid's spec.

    Raises:
        InvalidSpec: see `vpp_operator.api.schema.parse`.
    """
    return parse(NanoGridSpec, values)
