"""What a DER measured, before the gateway gives it an identity."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vpp_contract.readings import DER_BYTES, KINDS, QUANTITIES, Reading, site_of
from vpp_workloads.gateway.errors import MeasurementError


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A `Reading` without `boot`, `seq` and `created_us`; fields, units and signs are those of `Reading`."""

    der: str
    kind: str
    event_time_us: int
    interval_seconds: float
    power_kw: float
    energy_kwh: float
    state_of_charge_kwh: float | None = None
    setpoint_kw: float | None = None
    available_kw: float | None = None
    voltage_v: float | None = None
    current_a: float | None = None
    frequency_hz: float | None = None
    temperature_c: float | None = None
    irradiance_w_per_m2: float | None = None
    wind_speed_m_per_s: float | None = None
    water_flow_m3_per_s: float | None = None


def measurement_of(reading: Reading) -> Measurement:
    """Return a reading without its identity."""
    quantities = {name: getattr(reading, name) for name in QUANTITIES}
    return Measurement(der=reading.der, kind=reading.kind, event_time_us=reading.event_time_us, **quantities)


def reading_of(measurement: Measurement, *, boot: int, seq: int, created_us: int) -> Reading:
    """Return a measurement with its identity."""
    m = measurement
    return Reading(
        der=m.der, kind=m.kind, boot=boot, seq=seq, event_time_us=m.event_time_us, created_us=created_us,
        interval_seconds=m.interval_seconds, power_kw=m.power_kw, energy_kwh=m.energy_kwh,
        state_of_charge_kwh=m.state_of_charge_kwh, setpoint_kw=m.setpoint_kw, available_kw=m.available_kw,
        voltage_v=m.voltage_v, current_a=m.current_a, frequency_hz=m.frequency_hz, temperature_c=m.temperature_c,
        irradiance_w_per_m2=m.irradiance_w_per_m2, wind_speed_m_per_s=m.wind_speed_m_per_s,
        water_flow_m3_per_s=m.water_flow_m3_per_s,
    )  # fmt: skip


def check(measurement: Measurement, site: str) -> None:
    """Refuse what the twin would put aside as poison.

    Raises:
        MeasurementError: the DER is not of this site, the kind is unknown or a quantity is not finite.
    """
    der = measurement.der
    if site_of(der) != site or len(der) < len(site) + 2:
        raise MeasurementError(f"der {der!r} does not belong to site {site}; name it {site}/<device>")
    if len(der.encode()) > DER_BYTES:
        raise MeasurementError(f"der {der!r} takes more than {DER_BYTES} bytes; shorten it")
    if measurement.kind not in KINDS:
        raise MeasurementError(f"kind {measurement.kind!r} of {der} is unknown; use one of {', '.join(KINDS)}")
    if not 0 <= measurement.event_time_us < 2**63:
        raise MeasurementError(f"event_time_us of {der} is {measurement.event_time_us}; give µs since 1970")
    for name in QUANTITIES:
        value = getattr(measurement, name)
        if value is not None and not math.isfinite(value):
            raise MeasurementError(f"{name} of {der} is {value}; leave out what was not measured")
