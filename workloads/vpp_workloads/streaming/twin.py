"""The twin's memory of one shard of DERs, and how a batch of readings moves it on. Pure: no Spark, no clock.

A late reading enters history and energy like any other; only a DER's current values follow the highest identity.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vpp_contract.readings import KINDS, QUANTITIES, RECORD_FIELDS
from vpp_workloads.streaming import dedupe

HOUR_US: Final = 3_600_000_000
RECENT_WITHOUT_SEQUENCE: Final = 512
"""How many event times are remembered of a device that sends neither boot nor sequence."""

NEWEST_DTYPE: Final = np.dtype(list(RECORD_FIELDS))
ENERGY_DTYPE: Final = np.dtype([("der", "<u4"), ("hour", "<i4"), ("readings", "<u4"), ("pad", "<u4"), ("kwh", "<f8")])
"""`hour` counts from the epoch and names the hour's start."""
FLOW_DTYPE: Final = np.dtype(
    [
        ("after_boot", "<i8"),
        ("after_seq", "<i8"),
        ("readings", "<i8"),
        ("charged_kwh", "<f8"),
        ("discharged_kwh", "<f8"),
    ]
)
"""Readings later than an identity and their energies: positive ones summed, and negative ones. A DER's first reading
comes after boot and seq -1."""

Columns = Mapping[str, NDArray[Any]]
"""A batch: der, kind as text; boot, seq, event_time_us, created_us as int64; quantities as float64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardState:
    """`newest[i]` is DER i's reading with the highest identity; energies are sorted by DER and hour."""

    newest: NDArray[Any]
    intervals: dedupe.Intervals
    energy: NDArray[Any]


EMPTY: Final = ShardState(
    newest=np.empty(0, NEWEST_DTYPE), intervals=dedupe.NO_INTERVALS, energy=np.empty(0, ENERGY_DTYPE)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a batch did: the next state, the rows that were new, and what changed for the outside."""

    state: ShardState
    accepted: NDArray[np.bool_]
    late: int
    """Accepted readings of hours that have left the window: in the history, but in no hourly sum."""
    energy: NDArray[Any]
    twin: NDArray[Any]
    """The newest reading of each DER whose newest has changed."""
    flow: NDArray[Any]
    """Beside `twin`: what came between the newest reading before and this one."""
    received: dedupe.Intervals
    """The intervals that hold the batch's readings, those that had been received before included."""


def advance(state: ShardState, batch: Columns, *, window_hours: int, marks: bool = False) -> Step:
    """Take a batch of readings into the state; any order, any repetition. `marks`: tell what was received."""
    der, newest = _index_ders(state.newest, batch["der"])
    owner = dedupe.owners(der, batch["boot"])
    accepted, intervals = dedupe.accept(state.intervals, owner, batch["seq"].astype(np.uint64))
    intervals = dedupe.forget_oldest(intervals, RECENT_WITHOUT_SEQUENCE)
    received = dedupe.holding(intervals, owner, batch["seq"].astype(np.uint64)) if marks else dedupe.NO_INTERVALS
    rows = np.flatnonzero(accepted)
    before = newest[["boot", "seq"]].copy()
    newest, changed = _newest(newest, len(state.newest), der, batch, rows)
    flow = _flow(before, len(state.newest), der, batch, rows)[changed]
    late, energy, touched = _energies(state.energy, len(newest), der[rows], batch, rows, window_hours)
    return Step(
        state=ShardState(newest=newest, intervals=intervals, energy=energy),
        accepted=accepted,
        late=late,
        energy=touched,
        twin=newest[changed],
        flow=flow,
        received=received,
    )


def _index_ders(newest: NDArray[Any], ders: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return each row's DER index, and the table of newest readings with room for DERs never seen before."""
    codes, names = pd.factorize(ders)
    index = {name: position for position, name in enumerate(newest["der"].tolist())}
    encoded = [str(name).encode() for name in names]
    of_code = np.array([index.setdefault(name, len(index)) for name in encoded], np.int64)
    grown = np.zeros(len(index), NEWEST_DTYPE)
    grown[: len(newest)] = newest
    for name in encoded:
        grown["der"][index[name]] = name
    return of_code[codes] if len(codes) else np.empty(0, np.int64), grown


def _newest(
    newest: NDArray[Any], known: int, der: NDArray[np.int64], batch: Columns, rows: NDArray[np.intp]
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Put each DER's highest new identity into the table where it beats what is there."""
    order = rows[np.lexsort((batch["seq"][rows], batch["boot"][rows], der[rows]))]
    if not len(order):
        return newest, order
    last = order[np.append(der[order][1:] != der[order][:-1], True)]
    held = newest[der[last]]
    boot, seq = batch["boot"][last], batch["seq"][last].astype(np.uint64)
    wins = (der[last] >= known) | (boot > held["boot"]) | ((boot == held["boot"]) & (seq > held["seq"]))
    last = last[wins]
    at = der[last]
    for name in ("boot", "seq", "event_time_us", "created_us", *QUANTITIES):
        newest[name][at] = batch[name][last]
    newest["kind"][at] = [KINDS.index(kind) for kind in batch["kind"][last]]
    return newest, at


def _flow(
    before: NDArray[Any], known: int, der: NDArray[np.int64], batch: Columns, rows: NDArray[np.intp]
) -> NDArray[Any]:
    """Return, for every DER, how many of the new readings are later than its newest was, and their energies."""
    flow = np.zeros(len(before), FLOW_DTYPE)
    flow["after_boot"], flow["after_seq"] = before["boot"], before["seq"]
    flow["after_boot"][known:] = flow["after_seq"][known:] = -1
    at, boot, seq = der[rows], batch["boot"][rows], batch["seq"][rows]
    held = flow[at]
    later = (boot > held["after_boot"]) | ((boot == held["after_boot"]) & (seq > held["after_seq"]))
    at, kwh = at[later], batch["energy_kwh"][rows][later]
    flow["readings"] = np.bincount(at, minlength=len(before))
    flow["charged_kwh"] = np.bincount(at, np.maximum(kwh, 0.0), len(before))
    flow["discharged_kwh"] = np.bincount(at, np.maximum(-kwh, 0.0), len(before))
    return flow


def _energies(
    energy: NDArray[Any],
    ders: int,
    der: NDArray[np.int64],
    batch: Columns,
    rows: NDArray[np.intp],
    window_hours: int,
) -> tuple[int, NDArray[Any], NDArray[Any]]:
    """Add the new readings to their hours; return how many came too late, the sums to keep, and those that changed."""
    hour = (batch["event_time_us"][rows] - 1) // HOUR_US
    kwh = batch["energy_kwh"][rows]
    kept_until = _newest_hours(energy["der"], energy["hour"].astype(np.int64), ders) - window_hours
    in_time = hour > kept_until[der]
    late = int(len(rows) - in_time.sum())
    der, hour, kwh = der[in_time], hour[in_time], kwh[in_time]
    keys = np.concatenate((_energy_keys(energy["der"], energy["hour"]), _energy_keys(der, hour)))
    unique, where = np.unique(keys, return_inverse=True)
    merged = np.zeros(len(unique), ENERGY_DTYPE)
    merged["der"], merged["hour"] = unique >> 32, (unique & 0xFFFFFFFF)
    merged["kwh"] = np.bincount(where, np.concatenate((energy["kwh"], kwh)), len(unique))
    counts = np.concatenate((energy["readings"], np.ones(len(kwh), np.uint32)))
    merged["readings"] = np.bincount(where, counts, len(unique)).astype(np.uint32)
    touched = np.zeros(len(unique), bool)
    touched[where[len(energy) :]] = True
    kept_until = _newest_hours(merged["der"], merged["hour"].astype(np.int64), ders) - window_hours
    return late, merged[merged["hour"] > kept_until[merged["der"]]], merged[touched]


def _newest_hours(der: NDArray[Any], hour: NDArray[np.int64], ders: int) -> NDArray[np.int64]:
    """Return each DER's newest hour, far in the past where there is none."""
    newest = np.full(ders, -(2**40), np.int64)
    np.maximum.at(newest, der, hour)
    return newest


def _energy_keys(der: NDArray[Any], hour: NDArray[Any]) -> NDArray[np.int64]:
    return der.astype(np.int64) << 32 | hour.astype(np.int64)
