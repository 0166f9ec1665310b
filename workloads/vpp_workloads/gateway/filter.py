"""Leaves out measurements that say nothing new, and keeps their energy: pure, one DER at a time.

A measurement that is not worth sending is held. The next one that is not either joins it: intervals and energies add
up, everything else is the newer one's. Before one is sent, what is held goes out, so that the twin sees when a change
began and every hour keeps its energy. What has joined another is dropped, and counted; it is no loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from vpp_workloads.gateway.measurement import Measurement

_HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """When one quantity is worth sending: changed by more than the band since it was sent, and not too soon after."""

    deadband: float = 0.0
    """In the quantity's own unit."""
    min_interval_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSettings:
    """Quantities that are not named are never a reason to send."""

    quantities: Mapping[str, Band]
    longest_seconds: float = 300.0
    """After so long without a reading one is sent in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DerState:
    """What the filter knows of one DER."""

    sent: Measurement | None = None
    held: Measurement | None = None
    held_since_us: int = 0
    """Wall clock at which holding began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What one measurement led to."""

    state: DerState
    send: tuple[Measurement, ...]
    dropped: int


@dataclass(slots=True, kw_only=True)
class Filter:
    """All DERs of a site. `trial` works on a copy, which becomes the filter once what it sends is kept."""

    settings: FilterSettings
    ders: dict[str, DerState] = field(default_factory=dict)
    dropped: int = 0

    def trial(self) -> Filter:
        """Return a copy."""
        return Filter(settings=self.settings, ders=dict(self.ders), dropped=self.dropped)

    def offer(self, measurement: Measurement, now_us: int) -> tuple[Measurement, ...]:
        """Take a measurement and return what is to be sent now, in order."""
        before = self.ders.get(measurement.der, DerState())
        passed = offered(before, measurement, self.settings, now_us)
        self.ders[measurement.der] = passed.state
        self.dropped += passed.dropped
        return passed.send

    def release(self, held_before_us: int) -> tuple[Measurement, ...]:
        """Return what has been held since before a moment (wall clock), to be sent now."""
        due = [
            der for der, state in self.ders.items() if state.held is not None and state.held_since_us < held_before_us
        ]
        released = []
        for der in due:
            held = self.ders[der].held
            if held is not None:
                self.ders[der] = DerState(sent=held)
                released.append(held)
        return tuple(released)

    def held(self) -> dict[str, Measurement]:
        """Return what is held, by DER."""
        return {der: state.held for der, state in self.ders.items() if state.held is not None}


def offered(state: DerState, measurement: Measurement, settings: FilterSettings, now_us: int) -> Passed:
    """Return what becomes of a measurement."""
    held = state.held
    if _is_news(state.sent, measurement, settings):
        waiting = () if held is None else (held,)
        return Passed(state=DerState(sent=measurement), send=(*waiting, measurement), dropped=0)
    if held is None:
        return Passed(state=replace(state, held=measurement, held_since_us=now_us), send=(), dropped=0)
    if _hour(held) == _hour(measurement):
        return Passed(state=replace(state, held=_joined(held, measurement)), send=(), dropped=1)
    return Passed(state=DerState(sent=held, held=measurement, held_since_us=now_us), send=(held,), dropped=0)


def _is_news(sent: Measurement | None, measurement: Measurement, settings: FilterSettings) -> bool:
    if sent is None:
        return True
    elapsed_seconds = (measurement.event_time_us - sent.event_time_us) / 1e6
    if elapsed_seconds >= settings.longest_seconds:
        return True
    return any(
        elapsed_seconds >= band.min_interval_seconds and _differs(getattr(sent, name), getattr(measurement, name), band)
        for name, band in settings.quantities.items()
    )


def _differs(before: float | None, now: float | None, band: Band) -> bool:
    if before is None or now is None:
        return (before is None) != (now is None)
    return abs(now - before) > band.deadband


def _hour(measurement: Measurement) -> int:
    """The hour a measurement belongs to: a time that is exactly hh:00 closes the hour before."""
    return (measurement.event_time_us - 1) // _HOUR_US


def _joined(held: Measurement, newer: Measurement) -> Measurement:
    return replace(
        newer,
        interval_seconds=held.interval_seconds + newer.interval_seconds,
        energy_kwh=held.energy_kwh + newer.energy_kwh,
    )
