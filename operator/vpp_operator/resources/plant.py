"""What the streaming driver is told of the plant: a ConfigMap that it reads again whenever it changes.

Kubelets bring a change of a ConfigMap into a running pod within about a minute; no pod is renewed for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vpp_contract.plant import PLANT_FILE, Plant, Rating, Target, encode_plant
from vpp_operator.api.nanogrid import NanoGridSpec
from vpp_operator.api.vppcluster import VPPClusterSpec
from vpp_operator.resources import names
from vpp_operator.resources.metadata import Owner, config_map
from vpp_operator.resources.nanogrid import ders

COMPONENT: Final = "driver"
_POWER: Final = {"pv": "nominal_kw", "battery": "max_power_kw", "wind": "nominal_kw", "hydro": "nominal_kw"} | {
    "ev": "charger_kw"
}


def plant_settings(owner: Owner, spec: VPPClusterSpec, sites: Mapping[str, NanoGridSpec]) -> dict[str, Any]:
    """Return the ConfigMap with the plant's ratings and target."""
    return config_map(owner, names.plant(owner.vpp), COMPONENT, {PLANT_FILE: encode_plant(plant_of(spec, sites))})


def plant_of(spec: VPPClusterSpec, sites: Mapping[str, NanoGridSpec]) -> Plant:
    """Return what the specs say of the plant's DERs, and what is wanted of it."""
    ratings = [_rating(site, kind, sites[site]) for site in sorted(sites) for kind in ders(sites[site])]
    target = spec.dispatch
    return Plant(
        sites=tuple(sorted(sites)),
        ratings=tuple(ratings),
        target=None if target is None else Target(power_kw=target.target_kw, order=target.order),
    )


def _rating(site: str, kind: str, spec: NanoGridSpec) -> Rating:
    said = getattr(spec, kind)
    battery = spec.battery if kind == "battery" else None
    quiet = spec.source.filter
    return Rating(
        site=site,
        kind=kind,
        power_kw=getattr(said, _POWER[kind]) if kind in _POWER else None,
        capacity_kwh=getattr(said, "capacity_kwh", None),
        efficiency=battery.efficiency if battery is not None else None,
        depth_of_discharge=battery.depth_of_discharge if battery is not None else None,
        quiet_seconds=quiet.longest_seconds if quiet is not None else 0.0,
    )
