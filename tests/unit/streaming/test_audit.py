"""The audit finds every fault that is put in, and none where there is none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp_workloads.streaming.audit.__main__ import read_ledger, read_source
from vpp_workloads.streaming.audit.compare import (
    HISTORY_FIELDS,
    LEDGER_FIELDS,
    State,
    compare_energies,
    current_values,
    join_identities,
    latencies_ms,
    percentiles,
    site_rows,
)
from vpp_workloads.streaming.errors import StreamingError

Identity = tuple[str, int, int]
SENT: list[Identity] = [(der, 1, seq) for der in ("a/pv", "a/load", "b/pv") for seq in range(10)]
HOURS = {(der, f"2022-06-21T{hour:02}:00:00Z"): 1.0 + hour for der in ("a/pv", "b/pv") for hour in range(24)}


def a_ledger(identities: list[Identity]) -> pa.Table:
    columns = [list(values) for values in zip(*identities, strict=True)] or [[], [], []]
    return pa.table(columns, LEDGER_FIELDS)


def a_history(identities: list[Identity], batch: int = 0) -> pa.Table:
    rows = [
        {
            "der": der,
            "boot": boot,
            "seq": seq,
            "kind": der[2:],
            "created_us": 1000,
            "energy_kwh": 1.0,
            "batch_id": batch,
        }
        for der, boot, seq in identities
    ]
    return pa.Table.from_pylist(rows, HISTORY_FIELDS)


def totals(sent: list[Identity], held: list[Identity]) -> dict[str, int]:
    return join_identities(a_ledger(sent), a_history(held)).total()


CLEAN = {"confirmed": 30, "in_twin": 30, "lost": 0, "duplicated": 0, "phantom": 0}


@pytest.mark.parametrize(
    ("held", "found"),
    [
        (SENT, {}),
        (SENT[::-1], {}),
        (SENT[:-1], {"in_twin": 29, "lost": 1}),
        ([*SENT, SENT[4]], {"duplicated": 1}),
        ([*SENT[1:], SENT[4]], {"in_twin": 29, "lost": 1, "duplicated": 1}),
        ([*SENT[1:], ("a/pv", 2, 0)], {"lost": 1, "phantom": 1}),
        ([*SENT, ("c/pv", 1, 0)], {"in_twin": 31, "phantom": 1}),
        ([], {"in_twin": 0, "lost": 30}),
    ],
    ids=[
        "nothing wrong", "another order", "a row dropped", "a row twice", "one dropped and one twice: totals agree",
        "one under another boot: totals agree", "a DER nobody knows", "no history",
    ],
)  # fmt: skip
def test_seeded_faults_in_readings_are_found(held: list[Identity], found: dict[str, int]) -> None:
    assert totals(SENT, held) == CLEAN | found


IDENTITIES = st.lists(st.tuples(st.sampled_from(("a/pv", "a/load", "b/pv")), st.integers(0, 2), st.integers(0, 5)))


@given(IDENTITIES, IDENTITIES)
def test_the_join_equals_sets(sent: list[Identity], held: list[Identity]) -> None:
    assert totals(sent, held) == {
        "confirmed": len(set(sent)),
        "in_twin": len(set(held)),
        "lost": len(set(sent) - set(held)),
        "duplicated": len(held) - len(set(held)),
        "phantom": len(set(held) - set(sent)),
    }


def shifted(key: tuple[str, str]) -> tuple[str, str]:
    return ("b/pv", "2022-06-22T00:00:00Z") if key == ("b/pv", "2022-06-21T23:00:00Z") else key


@pytest.mark.parametrize(
    ("twin", "error", "missing", "extra"),
    [
        (HOURS, 0.0, 0, 0),
        ({**HOURS, ("a/pv", "2022-06-21T03:00:00Z"): 4.04}, 0.01, 0, 0),
        ({key: value for key, value in HOURS.items() if key[1][11:13] != "05"}, 1.0, 2, 0),
        ({shifted(key): value for key, value in HOURS.items()}, 24_000.0, 1, 1),
        ({**HOURS, ("a/pv", "2022-06-21T03:00:00Z"): -4.0}, 2.0, 0, 0),
    ],
    ids=["equal", "one reading's worth too much", "an hour missing", "an hour shifted", "a sign turned round"],
)
def test_seeded_faults_in_energy_are_found(
    twin: dict[tuple[str, str], float], error: float, missing: int, extra: int
) -> None:
    result = compare_energies(HOURS, twin)
    assert result["energy_max_relative_error"] == pytest.approx(error)
    assert (result["missing_hours"], result["extra_hours"]) == (missing, extra)
    assert result["hours_compared"] == len(HOURS) - missing


def test_without_a_source_there_is_no_error_to_be_proud_of() -> None:
    assert compare_energies({}, HOURS)["energy_max_relative_error"] is None


def test_small_energies_are_compared_against_a_watt_hour() -> None:
    key = ("a/pv", "2022-06-21T00:00:00Z")
    assert compare_energies({key: 0.0}, {key: 1e-9})["energy_max_relative_error"] == pytest.approx(1e-6)


def test_latency_is_from_the_gateway_to_the_commit_of_the_batch() -> None:
    history = pa.concat_tables([a_history(SENT[:2], 3), a_history(SENT[2:3], 5), a_history(SENT[3:4], 9)])
    latency = latencies_ms(history, {3: 51_000, 5: 201_000})
    assert latency.tolist()[:3] == [50.0, 50.0, 200.0]
    assert np.isnan(latency[3])
    assert percentiles(latency) == {"p50": 50.0, "p99": 197.0, "max": 200.0}
    assert percentiles(latencies_ms(history, {})) == {"p50": None, "p99": None, "max": None}


def test_sites_have_their_own_row() -> None:
    history = a_history(SENT[:-1])
    rows = site_rows(join_identities(a_ledger(SENT), history), history, np.full(29, 7.0), HOURS, HOURS)
    assert [(row["site"], row["readings"], row["lost"], row["kwh_source"]) for row in rows] == [
        ("a", 20, 0, 300.0),
        ("b", 9, 1, 300.0),
    ]
    assert rows[0]["kinds"] == {"pv": {"source": 300.0, "twin": 300.0}, "load": {"source": 0.0, "twin": 0.0}}
    assert rows[1]["latency_ms_p99"] == 7.0


class _Server(HTTPServer):
    """A simulator."""

    answers: dict[str, bytes]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        content = self.server.answers.get(self.path)
        self.send_response(404 if content is None else 200)
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.answers = {}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def url_of(server: _Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def test_the_ledger_is_read_as_it_streams(server: _Server) -> None:
    server.answers["/ledger"] = b"".join(f"{der},{boot},{seq}\n".encode() for der, boot, seq in SENT)
    assert read_ledger(url_of(server)).equals(a_ledger(SENT))
    server.answers["/ledger"] = b""
    assert len(read_ledger(url_of(server))) == 0
    server.answers["/ledger"] = b"a/pv,one,2\n"
    with pytest.raises(StreamingError, match="/ledger is no ledger"):
        read_ledger(url_of(server))


def test_the_source_is_keyed_by_der_and_hour(server: _Server) -> None:
    server.answers["/source"] = b'{"a/pv": {"2022-06-21T00:00:00Z": 1.5, "2022-06-21T03:00:00+02:00": 2}}'
    assert read_source(url_of(server)) == {("a/pv", "2022-06-21T00:00:00Z"): 1.5, ("a/pv", "2022-06-21T01:00:00Z"): 2}
    with pytest.raises(StreamingError, match="/source does not answer"):
        read_source("http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("states", "inversions", "behind"),
    [
        ([("a/pv", 0, 1, 3), ("a/pv", 1, 1, 9), ("a/load", 4, 1, 9), ("b/pv", 2, 1, 9)], 0, 0),
        ([("a/pv", 0, 1, 9), ("a/load", 4, 1, 9)], 0, 1),
        ([("a/pv", 0, 1, 8), ("a/load", 4, 1, 9), ("b/pv", 2, 1, 9)], 0, 1),
        ([("a/pv", 5, 1, 3), ("a/pv", 4, 1, 9), ("a/load", 4, 1, 9), ("b/pv", 2, 1, 9)], 1, 1),
        ([("a/pv", 4, 0, 12), ("a/pv", 5, 1, 9), ("a/load", 4, 1, 9), ("b/pv", 2, 1, 9)], 0, 0),
        ([("a/pv", 4, 1, 9), ("a/pv", 5, 1, 9), ("a/load", 4, 1, 9), ("b/pv", 2, 1, 9)], 1, 0),
    ],
    ids=["in order", "a DER without a value", "not the newest", "back to an older one", "a new boot", "the same again"],
)
def test_current_values_never_go_back_and_end_at_the_newest(states: list[State], inversions: int, behind: int) -> None:
    assert current_values(states, a_history(SENT)) == {"inversions": inversions, "behind": behind}
