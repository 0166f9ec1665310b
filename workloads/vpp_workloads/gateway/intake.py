"""Text to measurements: one JSON object a line, as a device would send it by itself, without an identity."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from vpp_contract.readings import ReadingError, decode_json
from vpp_workloads.gateway.errors import MeasurementError
from vpp_workloads.gateway.measurement import Measurement, measurement_of

_GIVEN_HERE: Final = ("boot", "seq", "created_us")


def measurement_from_line(line: str | bytes) -> Measurement:
    """Decode one line, for example {"der": "house-01/pv", "kind": "pv", "event_time_us": ..., "power_kw": ...}.

    Raises:
        MeasurementError: it is no JSON object, or not what `vpp_contract.readings.decode_json` takes; also if it brings
            an identity, which only the gateway gives.
    """
    try:
        values = json.loads(line)
    except ValueError as error:
        raise MeasurementError(f"no JSON: {error}") from None
    if not isinstance(values, dict):
        raise MeasurementError(f"a JSON {type(values).__name__}; send one object a line")
    for name in _GIVEN_HERE:
        if name in values:
            raise MeasurementError(f'field "{name}" is given by the gateway; leave it out')
    try:
        return measurement_of(decode_json(json.dumps(values).encode()))
    except ReadingError as error:
        raise MeasurementError(str(error)) from None


def measurements_from_lines(lines: Iterable[bytes]) -> list[Measurement]:
    """Decode all lines that are not blank.

    Raises:
        MeasurementError: the first line that is wrong, with its number.
    """
    measurements = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                measurements.append(measurement_from_line(line))
            except MeasurementError as error:
                raise MeasurementError(f"line {number}: {error}") from None
    return measurements
