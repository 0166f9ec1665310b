"""Simulated DERs of a plant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from vpp_operator.api.schema import Rule, described

_DAY: Final = (
    "(19|20)[0-9]{2}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    "|02-(0[1-9]|1[0-9]|2[0-8]))|((19|20)(0[48]|[2468][048]|[13579][26])|2000)-02-29"
)
FULL_HOUR: Final = f"^({_DAY})T([01][0-9]|2[0-3]):00:00Z$"
"""A full hour in UTC of a day that there is: CEL cannot refuse a date in words of ours otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileData:
    """Where measured profiles come from."""

    RULES: ClassVar = (
        Rule(
            name="profile-data-one-source",
            rule="(has(self.configMaps) && size(self.configMaps) > 0) != (self.claimName != '')",
            message="simulator.data takes either configMaps or claimName; give exactly one of them",
        ),
    )

    config_maps: tuple[str, ...] = described(
        "ConfigMaps whose keys are the files of one data folder.", default=(), longest=1000
    )
    claim_name: str = described("Volume claim that holds a data folder.", default="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    """Simulated DERs for sites whose source is Simulated."""

    acceleration: float = described(
        "Simulated seconds in a second; 1 is real time.", default=1.0, above=0, maximum=100000
    )
    start: str = described(
        "First hour simulated, in UTC, for example 2022-06-21T00:00:00Z.",
        default="2022-06-21T00:00:00Z",
        pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$",
        longest=20,
    )
    days: int = described("Days simulated.", default=1, minimum=1, maximum=366)
    reading_interval_seconds: int = described(
        "Simulated seconds between two readings of a DER; must divide an hour.", default=60, minimum=1, maximum=3600
    )
    seed: int = described("Seed of everything random.", default=1, minimum=0)
    data: ProfileData | None = described("Measured profiles; without them physical models.", default=None)

    RULES: ClassVar = (
        Rule(
            name="simulator-interval",
            rule="3600 % self.readingIntervalSeconds == 0",
            message="simulator.readingIntervalSeconds must divide an hour, for example 60 or 300, so hours are whole",
        ),
        Rule(
            name="simulator-start",
            rule=f"self.start.matches('{FULL_HOUR}')",
            message=(
                "simulator.start must be a full hour of a real day in UTC, 1900 to 2099, "
                "for example 2022-06-21T00:00:00Z"
            ),
        ),
    )
