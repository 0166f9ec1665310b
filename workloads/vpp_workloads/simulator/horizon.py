"""The hours that are simulated. Hour h runs from `start + h` hours to `start + h + 1` hours, in UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

HOUR_US: Final = 3_600_000_000
HOUR_SECONDS: Final = 3600


def time_name(time_us: int) -> str:
    """Return a time in µs since the epoch as 2022-06-21T13:00:00Z."""
    return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """`hours` hours from `start`, a full hour in UTC."""

    start: datetime
    hours: int

    @property
    def start_us(self) -> int:
        """Start in µs since the epoch."""
        return int(self.start.timestamp()) * 1_000_000

    @property
    def end_us(self) -> int:
        """End in µs since the epoch."""
        return self.start_us + self.hours * HOUR_US

    def hour_name(self, hour: int) -> str:
        """Return when an hour begins, as 2022-06-21T13:00:00Z."""
        return time_name(self.start_us + hour * HOUR_US)

    def local_hour_starts(self, utc_offset_hours: float) -> list[datetime]:
        """Return when each hour begins on a wall clock of that offset (without a zone)."""
        first = self.start.astimezone(UTC).replace(tzinfo=None) + timedelta(hours=utc_offset_hours)
        return [first + timedelta(hours=hour) for hour in range(self.hours)]
