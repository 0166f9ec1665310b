"""The counters as the last finished batch left them, so that they go on after a restart of the driver."""

from __future__ import annotations

from dataclasses import fields

from vpp_contract.names import TWIN_BATCHES_MEASUREMENT
from vpp_workloads.streaming.influx import Influx
from vpp_workloads.streaming.sinks import Counts


def last_totals(influx: Influx, vpp: str, batch_id: int) -> Counts:
    """Return the totals written with a batch; zeros when the database does not know it.

    Raises:
        SinkError: the database does not answer.
    """
    if batch_id < 0:
        return Counts()
    flux = f"""
        from(bucket: "{influx.bucket}") |> range(start: 0)
          |> filter(fn: (r) => r._measurement == "{TWIN_BATCHES_MEASUREMENT}" and r.vpp == "{vpp}")
          |> tail(n: 200)
          |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")
          |> filter(fn: (r) => r.batch_id == {batch_id})
    """
    for row in influx.rows(flux):
        return Counts(**{field.name: int(row.get(f"total_{field.name}", 0)) for field in fields(Counts)})
    return Counts()
