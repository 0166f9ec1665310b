"""What has to be remembered of a DER to judge it: since when a value stands still, how often readings come. Pure.

Kept in the driver alone: after a restart it is built anew from the readings that come, which is why a finding that
needs a history can come that much later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from vpp_contract.plant import Rating
from vpp_contract.readings import QUANTITIES, Reading
from vpp_workloads.streaming.expected import Charge, expected_pv_kw

PV_TOLERANCE_SHARE: Final = 0.15
"""Of what is expected."""
PV_TOLERANCE_NOMINAL: Final = 0.05
"""Of the nominal power: what irradiance measured elsewhere on the roof, or a moment earlier, may make."""
CHARGE_STEP_US: Final = 900_000_000
CHARGES: Final = 24
_MEASURED: Final = tuple(name for name in QUANTITIES if name not in ("interval_seconds", "setpoint_kw", "energy_kwh"))
_GAP_MEMORY: Final = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Energies at a DER's terminals in all readings after one identity up to its newest, as a batch brought them."""

    after_boot: int
    after_seq: int
    readings: int
    charged_kwh: float
    discharged_kwh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A DER's newest reading with what came before it. Times are µs: `arrived_us` the driver's, others event time."""

    reading: Reading
    arrived_us: int
    unchanged_since_us: int
    off_since_us: int | None
    """Since when PV has been off what is expected; None: it is not, or that is not known."""
    gap_seconds: float | None
    """Wall-clock time from one reading to the next; None until it is known."""
    charges: tuple[Charge, ...] = ()
    """A battery's charge now and then, oldest first, the newest last; without a gap in its readings."""


def begin(reading: Reading, rating: Rating | None, now_us: int) -> Watch:
    """Return what is known with the first reading of a DER."""
    return Watch(
        reading=reading,
        arrived_us=now_us,
        unchanged_since_us=reading.event_time_us,
        off_since_us=reading.event_time_us if is_off(reading, rating) else None,
        gap_seconds=None,
        charges=_first_charge(reading),
    )


def observe(watch: Watch, reading: Reading, flow: Flow, rating: Rating | None, now_us: int) -> Watch:
    """Return what is known with a further reading; one that is not newer changes nothing."""
    last = watch.reading
    if reading.identity[1:] <= last.identity[1:]:
        return watch
    same = all(getattr(reading, name) == getattr(last, name) for name in _MEASURED)
    off_since_us = None
    if is_off(reading, rating):
        off_since_us = reading.event_time_us if watch.off_since_us is None else watch.off_since_us
    return replace(
        watch,
        reading=reading,
        arrived_us=now_us,
        unchanged_since_us=watch.unchanged_since_us if same else reading.event_time_us,
        off_since_us=off_since_us,
        gap_seconds=_gap_seconds(watch, reading),
        charges=_charges(watch, reading, flow),
    )


def is_off(reading: Reading, rating: Rating | None) -> bool:
    """Whether PV gives clearly less or more than expected; False where that is not known."""
    expected_kw = expected_pv_kw(reading, rating)
    if expected_kw is None or rating is None or rating.power_kw is None:
        return False
    tolerance_kw = PV_TOLERANCE_SHARE * expected_kw + PV_TOLERANCE_NOMINAL * rating.power_kw
    return abs(reading.power_kw - expected_kw) > tolerance_kw


def _gap_seconds(watch: Watch, reading: Reading) -> float | None:
    last = watch.reading
    if reading.boot != last.boot or reading.boot == 0:  # without a count, one step is one reading at least
        steps = 1
    else:
        steps = reading.seq - last.seq
    seconds = (reading.created_us - last.created_us) / 1e6 / steps
    if seconds < 0 or reading.boot != last.boot:
        return watch.gap_seconds
    if watch.gap_seconds is None:
        return seconds
    return _GAP_MEMORY * watch.gap_seconds + (1 - _GAP_MEMORY) * seconds


def _first_charge(reading: Reading) -> tuple[Charge, ...]:
    if reading.kind != "battery" or reading.state_of_charge_kwh is None:
        return ()
    soc_kwh = reading.state_of_charge_kwh
    return (Charge(event_time_us=reading.event_time_us, soc_kwh=soc_kwh, charged_kwh=0.0, discharged_kwh=0.0),)


def _charges(watch: Watch, reading: Reading, flow: Flow) -> tuple[Charge, ...]:
    """Go on counting; begin anew where a reading in between is missing, for then the energies say nothing."""
    last = watch.reading
    whole = (flow.after_boot, flow.after_seq) == (last.boot, last.seq)
    whole = whole and reading.boot == last.boot and reading.seq - last.seq == flow.readings
    if not whole or not watch.charges or reading.state_of_charge_kwh is None:
        return _first_charge(reading)
    before = watch.charges[-1]
    now = Charge(
        event_time_us=reading.event_time_us,
        soc_kwh=reading.state_of_charge_kwh,
        charged_kwh=before.charged_kwh + flow.charged_kwh,
        discharged_kwh=before.discharged_kwh + flow.discharged_kwh,
    )
    kept = watch.charges
    # The last one is only the newest until it is far enough from the one before it.
    if len(kept) > 1 and kept[-1].event_time_us - kept[-2].event_time_us < CHARGE_STEP_US:
        kept = kept[:-1]
    return (*kept[-(CHARGES - 1) :], now)
