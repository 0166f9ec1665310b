"""Makes the profiles of a site's DERs out of its configuration."""

from __future__ import annotations

import math
from typing import Final

from vpp_workloads.simulator.battery import Battery, self_consumption
from vpp_workloads.simulator.config import DEFAULT_LOCATION, Config, DerConfig, ProfileType, SiteConfig
from vpp_workloads.simulator.data import Building, load_building
from vpp_workloads.simulator.errors import ConfigError
from vpp_workloads.simulator.ev import EFFICIENCY, Vehicle, charging
from vpp_workloads.simulator.fields import Fields
from vpp_workloads.simulator.household import PROFILES, household_load
from vpp_workloads.simulator.hydro import HydroTurbine, hydro_yield
from vpp_workloads.simulator.profile import DerProfile, Storage
from vpp_workloads.simulator.pv import Panels, panel_yield
from vpp_workloads.simulator.weather import Weather, weather
from vpp_workloads.simulator.wind import Turbine, wind_yield

_PRODUCERS: Final = ("pv", "wind", "hydro")
_CONSUMERS: Final = ("load", "ev")


def site_profiles(site: SiteConfig, config: Config) -> list[DerProfile]:
    """Return the profile of each DER of a site, in the order of its configuration.

    Raises:
        ConfigError: a rating is missing or out of bounds.
        DataError: the site's building cannot be read.
    """
    model = _Model(site, config)
    own = [der for der in site.ders if der.kind != "battery"]
    profiles = {der.name: model.profile(der) for der in own}
    surplus = [0.0] * config.horizon.hours
    for profile in profiles.values():
        sign = 1 if profile.kind in _PRODUCERS else -1
        surplus = [sum_kwh + sign * kwh for sum_kwh, kwh in zip(surplus, profile.hourly_kwh, strict=True)]
    # Batteries share the surplus in their order: each leaves the next what it did not take.
    for der in site.ders:
        if der.kind == "battery":
            profiles[der.name] = model.battery(der, surplus)
            taken = profiles[der.name].hourly_kwh
            surplus = [left - kwh for left, kwh in zip(surplus, taken, strict=True)]
    return [profiles[der.name] for der in site.ders]


def _load_profile(ratings: Fields) -> str:
    name = ratings.text("profile", "h0").lower()
    return Fields({"profile": name}, ratings.where).choice("profile", PROFILES)


class _Model:
    """One site's models. Weather and building are made when a DER first needs them."""

    def __init__(self, site: SiteConfig, config: Config) -> None:
        self._site = site
        self._config = config
        self._location = site.location or DEFAULT_LOCATION
        self._sky: Weather | None = None
        self._building: Building | None = None

    def profile(self, der: DerConfig) -> DerProfile:
        if der.kind in ("pv", "load") and self._site.profile is ProfileType.DATA:
            return self._measured(der)
        models = {"pv": self._pv, "load": self._load, "wind": self._wind, "hydro": self._hydro, "ev": self._ev}
        return models[der.kind](der)

    def _name(self, der: DerConfig) -> str:
        return f"{self._site.site}/{der.name}"

    def _seed(self, der: DerConfig) -> str:
        return f"{self._config.seed}/{self._name(der)}"

    def _ratings(self, der: DerConfig) -> Fields:
        return Fields(der.ratings, f"DER {self._name(der)}")

    def _weather(self) -> Weather:
        if self._sky is None:
            self._sky = weather(self._location, self._config.horizon, self._config.seed)
        return self._sky

    def _measured(self, der: DerConfig) -> DerProfile:
        if self._building is None:
            if self._config.data_folder is None:
                raise ConfigError(f"site {self._site.site} follows a building, but there is no data folder; set one")
            self._building = load_building(self._config.data_folder, self._site.building)
        building = self._building
        rows = building.rows(self._config.horizon, self._config.utc_offset_hours)
        if der.kind == "load":
            hourly = tuple(building.load_kwh[row] for row in rows)
            return DerProfile(der=self._name(der), kind=der.kind, hourly_kwh=hourly, smooth=True)
        nominal_kw = self._ratings(der).number("nominal_kw", building.pv_nominal_kw, minimum=0)
        return DerProfile(
            der=self._name(der),
            kind=der.kind,
            hourly_kwh=tuple(building.pv_w_per_kw[row] / 1000 * nominal_kw for row in rows),
            smooth=True,
            temperature_c=tuple(building.temperature_c[row] for row in rows),
        )

    def _pv(self, der: DerConfig) -> DerProfile:
        ratings = self._ratings(der)
        panels = Panels(
            nominal_kw=ratings.number("nominal_kw", minimum=0),
            tilt_deg=ratings.number("tilt_deg", 25.0, minimum=0, maximum=90),
            azimuth_deg=ratings.number("azimuth_deg", 180.0, minimum=0, maximum=360),
        )
        result = panel_yield(panels, self._location, self._config.horizon, self._weather())
        return DerProfile(
            der=self._name(der),
            kind=der.kind,
            hourly_kwh=result.hourly_kwh,
            smooth=True,
            temperature_c=self._weather().temperature_c,
            irradiance_w_per_m2=result.irradiance_w_per_m2,
        )

    def _load(self, der: DerConfig) -> DerProfile:
        ratings = self._ratings(der)
        hourly = household_load(
            ratings.number("annual_kwh", 4000.0, minimum=0),
            _load_profile(ratings),
            self._config.horizon,
            self._location.utc_offset_hours,
            seed=self._seed(der),
        )
        return DerProfile(der=self._name(der), kind=der.kind, hourly_kwh=hourly, smooth=True)

    def _wind(self, der: DerConfig) -> DerProfile:
        ratings = self._ratings(der)
        turbine = Turbine(
            nominal_kw=ratings.number("nominal_kw", minimum=0),
            hub_height_m=ratings.number("hub_height_m", 20.0, minimum=1, maximum=300),
            altitude_m=self._location.altitude_m,
        )
        result = wind_yield(turbine, self._weather())
        return DerProfile(
            der=self._name(der),
            kind=der.kind,
            hourly_kwh=result.hourly_kwh,
            smooth=True,
            temperature_c=self._weather().temperature_c,
            wind_speed_m_per_s=result.wind_speed_m_per_s,
        )

    def _hydro(self, der: DerConfig) -> DerProfile:
        ratings = self._ratings(der)
        turbine = HydroTurbine(
            nominal_kw=ratings.number("nominal_kw", minimum=0),
            head_m=ratings.number("head_m", 20.0, minimum=0.5, maximum=2000),
            efficiency=ratings.number("efficiency", 0.8, minimum=0.1, maximum=1),
        )
        result = hydro_yield(turbine, self._location, self._config.horizon, self._seed(der))
        return DerProfile(
            der=self._name(der),
            kind=der.kind,
            hourly_kwh=result.hourly_kwh,
            smooth=True,
            water_flow_m3_per_s=result.water_flow_m3_per_s,
        )

    def _ev(self, der: DerConfig) -> DerProfile:
        ratings = self._ratings(der)
        vehicle = Vehicle(
            capacity_kwh=ratings.number("capacity_kwh", minimum=0),
            charger_kw=ratings.number("charger_kw", 7.4, minimum=0),
            drive_kwh=ratings.number("drive_kwh", 9.0, minimum=0),
        )
        result = charging(vehicle, self._config.horizon, self._location.utc_offset_hours, self._seed(der))
        storage = Storage(
            capacity_kwh=vehicle.capacity_kwh,
            lowest_kwh=0.0,
            charge_limit_kw=vehicle.charger_kw,
            discharge_limit_kw=0.0,
            in_efficiency=EFFICIENCY,
            out_efficiency=1.0,
        )
        return DerProfile(
            der=self._name(der),
            kind=der.kind,
            hourly_kwh=result.hourly_kwh,
            smooth=False,
            soc_kwh=result.soc_kwh,
            storage=storage,
            driven_kwh=result.driven_kwh,
        )

    def battery(self, der: DerConfig, surplus_kwh: list[float]) -> DerProfile:
        ratings = self._ratings(der)
        battery = Battery(
            capacity_kwh=ratings.number("capacity_kwh", minimum=0),
            max_power_kw=ratings.number("max_power_kw", minimum=0),
            efficiency=ratings.number("efficiency", 0.9, minimum=0.01, maximum=1),
            depth_of_discharge=ratings.number("depth_of_discharge", 0.9, minimum=0, maximum=1),
            initial_soc=ratings.number("initial_soc", 0.5, minimum=0, maximum=1),
        )
        result = self_consumption(battery, surplus_kwh)
        one_way = math.sqrt(battery.efficiency)
        storage = Storage(
            capacity_kwh=battery.capacity_kwh,
            lowest_kwh=battery.capacity_kwh * (1 - battery.depth_of_discharge),
            charge_limit_kw=battery.max_power_kw,
            discharge_limit_kw=battery.max_power_kw,
            in_efficiency=one_way,
            out_efficiency=one_way,
        )
        return DerProfile(
            der=self._name(der),
            kind=der.kind,
            hourly_kwh=result.hourly_kwh,
            smooth=False,
            soc_kwh=result.soc_kwh,
            storage=storage,
        )
