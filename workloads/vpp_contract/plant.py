"""What the operator knows of a plant's DERs and wants of the plant: static data from the resources' specs.

The operator writes it as JSON, the streaming driver reads it. What a spec does not say is None here, and whoever reads
it must say "not known" rather than assume.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, TypeVar

from vpp_contract.readings import KINDS

PLANT_FILE: Final = "plant.json"


class PlantError(ValueError):
    """A text is not what this module describes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What a site's spec says of its DERs of one kind."""

    site: str
    kind: str
    power_kw: float | None = None
    """pv, wind, hydro: nominal power; battery: limit of the converter, both ways; ev: of the charging point."""
    capacity_kwh: float | None = None
    efficiency: float | None = None
    """Of a whole cycle."""
    depth_of_discharge: float | None = None
    quiet_seconds: float = 0.0
    """How long the site's gateway may leave readings out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The power the whole plant shall deliver to the grid, in kW, and the kinds in the order they are called on."""

    power_kw: float
    order: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """All of it. `target` is None where nothing shall be dispatched."""

    sites: tuple[str, ...] = ()
    ratings: tuple[Rating, ...] = ()
    target: Target | None = None


def encode_plant(plant: Plant) -> str:
    """Return the JSON text; what is not known is left out."""
    ratings = [{name: value for name, value in asdict(rating).items() if value} for rating in plant.ratings]
    target = None if plant.target is None else asdict(plant.target)
    values = {"sites": plant.sites, "ratings": ratings, "target": target}
    return json.dumps(values, sort_keys=True, separators=(",", ":"))


def decode_plant(text: str | bytes) -> Plant:
    """Return the plant that a text describes; fields of a newer operator are passed over.

    Raises:
        PlantError: no such text.
    """
    try:
        values = json.loads(text)
        sites = tuple(str(site) for site in values["sites"])
        ratings = tuple(_known(Rating, one) for one in values["ratings"])
        target = None
        if values.get("target") is not None:
            target = _known(Target, values["target"] | {"order": tuple(values["target"].get("order", ()))})
            float(target.power_kw)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PlantError(f"no plant data: {error!r}") from None
    kinds = {one.kind for one in ratings} | set(target.order if target else ())
    if kinds - set(KINDS):
        raise PlantError(f"no plant data: kind {min(kinds - set(KINDS))!r} is unknown")
    return Plant(sites=sites, ratings=ratings, target=target)


_T = TypeVar("_T", Rating, Target)


def _known(kind: type[_T], values: Mapping[str, Any]) -> _T:
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in names})
