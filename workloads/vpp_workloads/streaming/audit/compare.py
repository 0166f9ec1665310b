"""The comparison itself, pure: identities are joined as sets, energies hour by hour; totals are never subtracted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vpp_contract.readings import site_of

LEDGER_FIELDS: Final = pa.schema([("der", pa.string()), ("boot", pa.int64()), ("seq", pa.int64())])
HISTORY_FIELDS: Final = pa.schema(
    [
        *LEDGER_FIELDS,
        ("kind", pa.string()),
        ("created_us", pa.int64()),
        ("energy_kwh", pa.float64()),
        ("batch_id", pa.int64()),
    ]
)
SMALLEST_KWH: Final = 0.001
"""Relative errors are taken against at least so much energy."""

Energies = Mapping[tuple[str, str], float]
"""(der, start of the hour as ISO 8601 with Z) -> kWh."""
State = tuple[str, int, int, int]
"""DER, and the batch in which the reading of this boot and seq became its current value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identities:
    """What a join of ledger and history found, per DER; the arrays stand beside `ders`."""

    ders: tuple[str, ...]
    confirmed: NDArray[np.int64]
    in_twin: NDArray[np.int64]
    lost: NDArray[np.int64]
    duplicated: NDArray[np.int64]
    phantom: NDArray[np.int64]

    def total(self) -> dict[str, int]:
        """Return the sums over all DERs."""
        names = ("confirmed", "in_twin", "lost", "duplicated", "phantom")
        return {name: int(getattr(self, name).sum()) for name in names}


def join_identities(ledger: pa.Table, history: pa.Table) -> Identities:
    """Join the set of confirmed identities with the set in the history.

    Lost: confirmed, but not in the history. Phantom: in the history, but never confirmed. Duplicated: rows of the
    history beyond the first of their identity.
    """
    names = pc.unique(pa.concat_arrays([*ledger["der"].chunks, *history["der"].chunks, pa.array([], pa.string())]))
    count = len(names)
    sent_rows = _sorted(_keys(ledger, names))
    held_rows = _sorted(_keys(history, names))
    sent, held = sent_rows[_firsts(sent_rows)], held_rows[_firsts(held_rows)]
    both = np.concatenate((sent, held))
    order = np.lexsort((both[:, 1], both[:, 0]))
    in_order = both[order]
    first = _firsts(in_order)
    alone = first & np.append(first[1:], True)
    from_sent = order < len(sent)

    def per_der(rows: NDArray[np.uint64]) -> NDArray[np.int64]:
        return np.bincount((rows[:, 0] >> np.uint64(32)).astype(np.int64), minlength=count)

    return Identities(
        ders=tuple(names.to_pylist()),
        confirmed=per_der(sent),
        in_twin=per_der(held),
        lost=per_der(in_order[alone & from_sent]),
        duplicated=per_der(held_rows) - per_der(held),
        phantom=per_der(in_order[alone & ~from_sent]),
    )


def _keys(table: pa.Table, names: pa.Array) -> NDArray[np.uint64]:
    """Return identities as rows of two numbers: the DER's position and boot in one, seq in the other."""
    der = pc.index_in(table["der"], names).to_numpy().astype(np.uint64)
    boot, seq = (table[name].to_numpy().astype(np.uint64) for name in ("boot", "seq"))
    return np.column_stack((der << np.uint64(32) | boot, seq))


def _sorted(rows: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def _firsts(rows: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which of some sorted rows are the first of their identity."""
    first = np.ones(len(rows), bool)
    first[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return first


def latencies_ms(history: pa.Table, committed_us: Mapping[int, int]) -> NDArray[np.float64]:
    """Return each reading's way from the gateway into the committed twin; NaN where the batch's time is unknown."""
    batches = np.array(sorted(committed_us), np.int64)
    times = np.array([committed_us[batch] for batch in batches.tolist()], np.float64)
    of_row = history["batch_id"].to_numpy()
    if not len(batches):
        return np.full(len(of_row), np.nan)
    where = np.minimum(np.searchsorted(batches, of_row), len(batches) - 1)
    known = batches[where] == of_row
    return np.where(known, (times[where] - history["created_us"].to_numpy()) / 1000, np.nan)


def percentiles(values: NDArray[np.float64]) -> dict[str, float | None]:
    """Return p50, p99 and the maximum of what is known."""
    known = values[np.isfinite(values)]
    if not len(known):
        return {"p50": None, "p99": None, "max": None}
    p50, p99, largest = np.percentile(known, (50, 99, 100))
    return {"p50": round(float(p50), 1), "p99": round(float(p99), 1), "max": round(float(largest), 1)}


def current_values(states: Sequence[State], history: pa.Table) -> dict[str, int]:
    """Check the twin's current values, as they became current batch by batch.

    Inversions: a DER's current value was followed by one with a lower identity, or an equal one. Behind: DERs whose
    last current value is not the highest identity in the history.
    """
    inversions, last = 0, dict[str, tuple[int, int]]()
    for der, _batch, boot, seq in sorted(states):
        inversions += der in last and (boot, seq) <= last[der]
        last[der] = (boot, seq)
    newest = history.select(["der", "boot", "seq"]).to_pandas().sort_values(["der", "boot", "seq"])
    highest = newest.drop_duplicates("der", keep="last")
    ends = {der: (int(boot), int(seq)) for der, boot, seq in highest.itertuples(index=False)}
    return {"inversions": inversions, "behind": sum(last.get(der) != end for der, end in ends.items())}


def compare_energies(source: Energies, twin: Energies) -> dict[str, Any]:
    """Compare hour by hour; an hour that one side lacks counts as 0 there, and is counted."""
    keys = sorted(source.keys() | twin.keys())
    differences = {key: abs(source.get(key, 0.0) - twin.get(key, 0.0)) for key in keys}
    relative = {key: value / max(abs(source.get(key, 0.0)), SMALLEST_KWH) for key, value in differences.items()}
    worst = max(keys, key=lambda key: relative[key], default=None)
    return {
        "energy_max_relative_error": None if worst is None or not source else relative[worst],
        "energy_worst_hour": None if worst is None else {"der": worst[0], "hour": worst[1], "kwh": differences[worst]},
        "hours_compared": len(source.keys() & twin.keys()),
        "missing_hours": len(source.keys() - twin.keys()),
        "extra_hours": len(twin.keys() - source.keys()),
    }


def site_rows(
    identities: Identities, history: pa.Table, latency_ms: NDArray[np.float64], source: Energies, twin: Energies
) -> list[dict[str, Any]]:
    """Return one row a site, sorted by name."""
    row_sites = pc.list_element(pc.split_pattern(history["der"], "/", max_splits=1), 0) if len(history) else None
    kinds = dict(zip(history["der"].to_pylist(), history["kind"].to_pylist(), strict=True)) if len(history) else {}
    ders = sorted({*identities.ders, *(der for der, _ in source), *(der for der, _ in twin)})
    position = {der: index for index, der in enumerate(identities.ders)}
    from_source, from_twin = _per_der(source), _per_der(twin)
    rows = []
    for site in sorted({site_of(der) for der in ders}):
        own = [der for der in ders if site_of(der) == site]
        at = [position[der] for der in own if der in position]
        of_site = np.zeros(0, bool) if row_sites is None else pc.equal(row_sites, site).to_numpy()
        quantiles = percentiles(latency_ms[of_site])
        by_kind: dict[str, dict[str, float]] = {}
        for der in own:
            sums = by_kind.setdefault(kinds.get(der, "unknown"), {"source": 0.0, "twin": 0.0})
            sums["source"] += from_source.get(der, 0.0)
            sums["twin"] += from_twin.get(der, 0.0)
        rows.append(
            {
                "site": site,
                "kwh_source": sum(sums["source"] for sums in by_kind.values()),
                "kwh_twin": sum(sums["twin"] for sums in by_kind.values()),
                "readings": int(identities.in_twin[at].sum()),
                "lost": int(identities.lost[at].sum()),
                "duplicated": int(identities.duplicated[at].sum()),
                "latency_ms_p50": quantiles["p50"],
                "latency_ms_p99": quantiles["p99"],
                "kinds": by_kind,
            }
        )
    return rows


def _per_der(energies: Energies) -> dict[str, float]:
    sums: dict[str, float] = {}
    for (der, _hour), kwh in energies.items():
        sums[der] = sums.get(der, 0.0) + kwh
    return sums
