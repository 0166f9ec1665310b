"""Drives one site: hands each DER's measurements to the site's gateway when their time has come, each exactly once."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from vpp_workloads.gateway.errors import SpoolFullError
from vpp_workloads.gateway.measurement import Measurement
from vpp_workloads.simulator.clock import SimulatedClock
from vpp_workloads.simulator.errors import ConfigError
from vpp_workloads.simulator.horizon import HOUR_US, Horizon, time_name
from vpp_workloads.simulator.profile import DerProfile, measurements_of_hour
from vpp_workloads.simulator.record import Record
from vpp_workloads.simulator.steering import SetPoint, Steered, Steering

_LOG = logging.getLogger(__name__)
_LONGEST_SLEEP_SECONDS: Final = 0.5
_SHORTEST_SLEEP_SECONDS: Final = 0.1
_AT_ONCE: Final = 200


class Accepting(Protocol):
    """The part of a gateway that a site drives."""

    def accept(self, measurements: Sequence[Measurement], timeout_seconds: float | None = None) -> None:
        """Take measurements, all or none."""

    def last_event_time_us(self, der: str) -> int | None:
        """Return the newest event time ever accepted for a DER."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Measurements that are due, and the simulated time up to which they are complete."""

    measurements: Sequence[Measurement]
    until_us: int


def _pieces(measurements: Sequence[Measurement]) -> Iterator[Sequence[Measurement]]:
    """Cut what is in order of time between two moments, so that what happens at once stays together."""
    start = 0
    while start < len(measurements):
        end = min(start + _AT_ONCE, len(measurements))
        moments = {one.event_time_us for one in measurements[start:end]}
        if end < len(measurements) and len(moments) > 1:
            while measurements[end].event_time_us == measurements[end - 1].event_time_us:
                end -= 1
        yield measurements[start:end]
        start = end


class Site:
    """One site's DERs. What was accepted is known by the gateway's spool, so a restart goes on behind it."""

    def __init__(
        self,
        name: str,
        profiles: Sequence[DerProfile],
        horizon: Horizon,
        interval_seconds: int,
        gateway: Accepting,
        *,
        record: Record | None = None,
        set_point: SetPoint = lambda _der: None,
    ) -> None:
        """Find out where each DER has to go on.

        With a `record`, batteries and vehicles follow what `set_point` says.

        Raises:
            ConfigError: earlier readings end within an interval, because the interval was changed.
        """
        self.name = name
        self._profiles = profiles
        self._horizon = horizon
        self._interval_seconds = interval_seconds
        self._gateway = gateway
        # All DERs of a step are accepted in one transaction; a DER that is new to the site begins at the start.
        self._done_us = {
            profile.der: max(gateway.last_event_time_us(profile.der) or 0, horizon.start_us) for profile in profiles
        }
        for der, done_us in self._done_us.items():
            if (done_us - horizon.start_us) % (interval_seconds * 1_000_000) and done_us < horizon.end_us:
                raise ConfigError(
                    f"reading_interval_seconds: readings of {der} end at {time_name(done_us)}, within an interval of "
                    f"{interval_seconds} s; keep the interval of a simulation, or begin one with a later start"
                )
        self.steering = Steering(profiles, horizon, interval_seconds)
        self._record, self._set_point = record, set_point
        if record is not None:
            record.keep(horizon.start_us, self._done_us)
        self._charges_kwh = record.charges_kwh() if record is not None else {}
        self._hour: tuple[int, list[list[Measurement]]] = (-1, [])

    @property
    def done_us(self) -> int:
        """The simulated time up to which every DER's measurements were accepted."""
        return min(self._done_us.values())

    @property
    def finished(self) -> bool:
        """Whether the horizon is complete."""
        return self.done_us >= self._horizon.end_us

    def due(self, now_us: int) -> Due:
        """Return what is due by a simulated time and was not accepted yet, of one hour at most, in order of time."""
        begin_us = self.done_us
        hour = (begin_us - self._horizon.start_us) // HOUR_US
        until_us = min(now_us, self._horizon.start_us + (hour + 1) * HOUR_US, self._horizon.end_us)
        if until_us <= begin_us or begin_us >= self._horizon.end_us:
            return Due(measurements=(), until_us=begin_us)
        if self._hour[0] != hour:
            made = [
                measurements_of_hour(profile, self._horizon, hour, self._interval_seconds) for profile in self._profiles
            ]
            self._hour = (hour, made)
        measurements = [
            measurement
            for of_one_der in self._hour[1]
            for measurement in of_one_der
            if self._done_us[measurement.der] < measurement.event_time_us <= until_us
        ]
        measurements.sort(key=lambda measurement: measurement.event_time_us)
        return Due(measurements=measurements, until_us=until_us)

    def step(self, now_us: int) -> int:
        """Hand over what is due by a simulated time, one hour at most, and return the number of measurements.

        Raises:
            SpoolFullError: the gateway has no room; what it has not taken is due again.
        """
        due = self.due(now_us)
        # In pieces that fit into a small spool: what is larger than the spool would never find room.
        for measurements in _pieces(due.measurements):
            piece = self._steer(measurements)
            self._gateway.accept(piece.measurements)
            self._charges_kwh = piece.charges_kwh
            for measurement in piece.measurements:
                self._done_us[measurement.der] = max(self._done_us[measurement.der], measurement.event_time_us)
        return len(due.measurements)

    def _steer(self, measurements: Sequence[Measurement]) -> Steered:
        """Let DERs follow their set-points, and write down what those that have left their profile do."""
        if self._record is None:
            return Steered(measurements=list(measurements), charges_kwh={})
        steered = self.steering.steer(measurements, self._charges_kwh, self._set_point)
        if steered.charges_kwh:
            news = [one for one in steered.measurements if one.der in steered.charges_kwh]
            self._record.begin(news, {der: self._done_us[der] for der in self.steering.ders})
        return steered

    def source_kwh(self) -> dict[str, dict[int, float]]:
        """Return the energy of each DER by the start of the hour in µs, as it was or will be simulated.

        The future of a DER that has left its profile is not known; its profile stands there until then.
        """
        found = {}
        recorded = self._record.energies_kwh() if self._record is not None else {}
        for profile in self._profiles:
            hours = {self._horizon.start_us + hour * HOUR_US: kwh for hour, kwh in enumerate(profile.hourly_kwh)}
            done_us = self._done_us[profile.der]
            done = {at_us: kwh for at_us, kwh in recorded.get(profile.der, {}).items() if at_us <= done_us}
            for hour in sorted({(at_us - 1 - self._horizon.start_us) // HOUR_US for at_us in done}):
                planned = measurements_of_hour(profile, self._horizon, hour, self._interval_seconds)
                kwh = [done.get(one.event_time_us, one.energy_kwh) for one in planned]
                hours[self._horizon.start_us + hour * HOUR_US] = math.fsum(kwh)
            found[profile.der] = hours
        return found

    def run(self, clock: SimulatedClock, wall_clock_us: Callable[[], int], stop: threading.Event) -> None:
        """Keep pace with the clock until the horizon is complete or `stop` is set; delays are made up for."""
        interval_us = self._interval_seconds * 1_000_000
        while not self.finished and not stop.is_set():
            try:
                handed = self.step(clock.simulated_us(wall_clock_us()))
            except SpoolFullError as error:
                _LOG.warning("site %s waits: %s", self.name, error)
                handed = 0
            if not handed:
                seconds = clock.wall_seconds_until(self.done_us + interval_us, wall_clock_us())
                stop.wait(min(max(seconds, _SHORTEST_SLEEP_SECONDS), _LONGEST_SLEEP_SECONDS))
