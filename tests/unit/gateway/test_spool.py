"""The spool keeps identities through everything, says when it is full, and knows whose it is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from tests.unit.gateway.brokers import BOOT, SITE, confirmed, event_times, measurements, open_spool, spooled
from vpp_contract.marks import Mark
from vpp_workloads.gateway.errors import SpoolError, SpoolFullError
from vpp_workloads.gateway.ledger import Run, read_ledger
from vpp_workloads.gateway.spool import Spool

PV, LOAD = f"{SITE}/pv", f"{SITE}/load"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite"


def append(spool: Spool, count: int, *, der: str = PV, start: int = 1) -> None:
    spool.append(measurements(count, der=der, start=start), created_us=5, row_readings=100)


def test_each_der_counts_its_own_sequence(path: Path) -> None:
    spool = open_spool(path)
    append(spool, 2)
    append(spool, 1, der=LOAD)
    append(spool, 1, start=3)
    assert [one.identity for one in spooled(spool)] == [
        (PV, BOOT, 0), (PV, BOOT, 1), (LOAD, BOOT, 0), (PV, BOOT, 2),
    ]  # fmt: skip
    assert {one.created_us for one in spooled(spool)} == {5}


def test_a_restart_is_a_new_boot_and_keeps_what_waits(path: Path) -> None:
    spool = open_spool(path)
    append(spool, 2)
    spool.close()
    again = open_spool(path)
    assert again.boot == BOOT + 1
    append(again, 1, start=3)
    assert [one.identity for one in spooled(again)] == [(PV, BOOT, 0), (PV, BOOT, 1), (PV, BOOT + 1, 0)]
    assert again.last_event_time_us(PV) == 180_000_000


def test_the_newest_event_time_is_known_after_a_restart(path: Path) -> None:
    spool = open_spool(path)
    append(spool, 3)
    spool.append(measurements(1, start=2), created_us=5, row_readings=100)
    spool.close()
    again = open_spool(path)
    assert again.last_event_time_us(PV) == 180_000_000
    assert again.last_event_time_us(LOAD) is None


def test_what_is_confirmed_moves_to_the_ledger_once(path: Path) -> None:
    spool = open_spool(path)
    append(spool, 3)
    append(spool, 2, start=4)
    assert spool.confirm([(1, 1)]) == 3
    assert spool.confirm([(1, 1)]) == 0
    assert confirmed(spool) == [(PV, BOOT, 0), (PV, BOOT, 1), (PV, BOOT, 2)]
    assert event_times(spooled(spool)) == [240_000_000, 300_000_000]
    assert (spool.readings, spool.confirmed) == (2, 3)


def test_counts_and_bytes_are_the_same_after_a_restart(path: Path) -> None:
    spool = open_spool(path)
    append(spool, 3)
    append(spool, 2, start=4)
    spool.confirm([(1, 1)])
    before = (spool.readings, spool.used_bytes, spool.confirmed)
    spool.close()
    again = open_spool(path)
    assert (again.readings, again.used_bytes, again.confirmed) == before


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (1, 3, 2), (2, 1, 3)])
def test_the_ledger_joins_runs_in_any_order_of_confirms(path: Path, order: tuple[int, ...]) -> None:
    spool = open_spool(path)
    for start in (1, 3, 5):
        append(spool, 2, start=start)
    for row in order:
        spool.confirm([(row, row)])
    assert spool.ledger_page(("", -1, -1), 10) == [Run(der=PV, boot=BOOT, first_seq=0, last_seq=5)]


def test_the_ledger_can_be_read_page_by_page_and_from_its_file(path: Path) -> None:
    spool = open_spool(path)
    for start in (1, 2, 3, 4, 5):
        append(spool, 1, start=start)
    for row in (1, 3, 5):
        spool.confirm([(row, row)])
    first = spool.ledger_page(("", -1, -1), 2)
    rest = spool.ledger_page(first[-1].key, 2)
    assert [run.first_seq for run in first + rest] == [0, 2, 4]
    spool.close()
    assert list(read_ledger(path)) == first + rest


def test_a_parcel_joins_rows_up_to_its_size(path: Path) -> None:
    spool = open_spool(path)
    for start in range(1, 8):
        append(spool, 1, start=start)
    parcel = spool.parcel(1, readings=3)
    assert parcel is not None
    assert (parcel.first_id, parcel.last_id, parcel.readings) == (2, 4, 3)
    assert spool.parcel(7, readings=3) is None


def test_long_input_is_cut_into_rows(path: Path) -> None:
    spool = open_spool(path)
    append(spool, 250)
    parcel = spool.parcel(0, readings=100)
    assert parcel is not None
    assert (parcel.last_id, parcel.readings) == (1, 100)
    assert [one.seq for one in spooled(spool)] == list(range(250))


def test_a_full_spool_takes_nothing_and_forgets_nothing(path: Path) -> None:
    spool = open_spool(path, limit_bytes=1000)
    append(spool, 3)
    with pytest.raises(SpoolFullError, match="of 1000 bytes wait for a broker and 712 more do not fit"):
        append(spool, 3, start=4)
    spool.confirm([(1, 1)])
    append(spool, 3, start=4)
    assert [one.seq for one in spooled(spool)] == [3, 4, 5]


def test_a_full_disk_is_told_and_leaves_everything_as_it_was(path: Path) -> None:
    spool = open_spool(path)
    append(spool, 1)
    pages = spool._db.execute("PRAGMA page_count").fetchone()[0]
    spool._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(SpoolFullError, match=r"the disk is full; free space or give the spool a larger volume$"):
        append(spool, 300, start=2)
    spool._db.execute("PRAGMA max_page_count = 1000000")
    append(spool, 1, start=2)
    assert [one.seq for one in spooled(spool)] == [0, 1]


def test_a_spool_belongs_to_one_site(path: Path) -> None:
    open_spool(path).close()
    with pytest.raises(SpoolError, match=r"holds readings of site house-01, not of house-02; give each site a file$"):
        Spool(path, site="house-02", limit_bytes=1000, first_boot=1)


def test_two_gateways_cannot_share_a_spool(path: Path) -> None:
    spool = open_spool(path)
    with pytest.raises(SpoolError, match=r"another process holds this spool; run one gateway per site and file$"):
        open_spool(path)
    spool.close()


def test_what_is_no_spool_is_refused(path: Path) -> None:
    path.write_text("this is no database, and long enough to look at. " * 100)
    with pytest.raises(SpoolError, match=r"is no SQLite file or is damaged .*; move it away and keep it"):
        open_spool(path)


def test_a_later_version_is_refused(path: Path) -> None:
    open_spool(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 7")
    db.close()
    with pytest.raises(SpoolError, match="spool of version 7, this gateway knows 3; use its release"):
        open_spool(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match=r"cannot be created or opened; check that the folder exists and is writable$"):
        open_spool(tmp_path / "nowhere" / "spool.sqlite")


def test_a_lost_spool_does_not_bring_identities_back(tmp_path: Path) -> None:
    before = Spool(tmp_path / "a", site=SITE, limit_bytes=10**6, first_boot=1_700_000_000)
    after = Spool(tmp_path / "b", site=SITE, limit_bytes=10**6, first_boot=1_700_000_060)
    assert after.boot > before.boot


def test_a_spool_of_the_first_version_is_taken_over_with_what_waits(path: Path) -> None:
    spool = open_spool(path)
    append(spool, 2)
    spool.close()
    db = sqlite3.connect(path)
    db.executescript("DROP TABLE held; DROP TABLE retained; PRAGMA user_version = 1;")
    db.close()
    again = open_spool(path)
    assert len(spooled(again)) == 2
    again.append([], created_us=5, row_readings=100, held={PV: measurements(1)[0]})
    again.close()
    assert open_spool(path).held == {PV: measurements(1)[0]}


def test_a_spool_of_the_second_version_is_taken_over_with_what_waits(path: Path) -> None:
    spool = open_spool(path)
    append(spool, 2)
    spool.close()
    db = sqlite3.connect(path)
    db.executescript("DROP TABLE retained; PRAGMA user_version = 2;")
    db.close()
    again = open_spool(path, retain=True)
    assert len(spooled(again)) == 2
    again.confirm([(1, 1)])
    assert again.retained.readings == 2


def mark(der: str, first: int, end: int, boot: int = BOOT) -> Mark:
    return Mark(der=der, boot=boot, first_seq=first, end_seq=end)


def test_what_is_confirmed_stays_until_a_mark_covers_it(path: Path) -> None:
    spool = open_spool(path, retain=True)
    append(spool, 2)
    append(spool, 3, start=3)
    size = spool.used_bytes
    assert spool.confirm([(1, 1)]) == 2
    assert confirmed(spool) == [(PV, BOOT, 0), (PV, BOOT, 1)]
    assert (spool.readings, spool.retained.readings, spool.used_bytes) == (3, 2, size)
    assert [one.seq for one in spooled(spool)] == [2, 3, 4], "what is retained is not published as if it were new"
    assert spool.release([mark(PV, 0, 2)]) == 2
    assert spool.retained.readings == 0
    assert spool.used_bytes < size
    assert spool.confirm([(2, 2)]) == 3
    assert spool.release([mark(PV, 0, 5)]) == 3
    assert (spool.readings, spool.used_bytes) == (0, 0)


def test_what_is_confirmed_twice_is_in_the_ledger_once(path: Path) -> None:
    spool = open_spool(path, retain=True)
    append(spool, 2)
    assert spool.confirm([(1, 1)]) == 2
    parcel = spool.retained_parcel(1)
    assert parcel is not None
    assert (parcel.again, parcel.readings) == (True, 2)
    assert spool.confirm([(1, 1), (1, 1)]) == 0
    assert (spool.confirmed, spool.readings, spool.retained.readings) == (2, 0, 2)
    spool.release([mark(PV, 0, 2)])
    assert spool.retained_parcel(1) is None


def test_what_is_retained_is_so_after_a_restart_and_goes_when_nobody_asks_for_it_any_more(path: Path) -> None:
    spool = open_spool(path, retain=True)
    append(spool, 2)
    append(spool, 1, start=3)
    spool.confirm([(1, 1)])
    spool.close()
    again = open_spool(path, retain=True, clock=lambda: 50)
    assert (again.readings, again.retained.readings, again.confirmed) == (1, 2, 2)
    assert again.retained.overdue(51, 10**12) == [1]
    again.close()
    plain = open_spool(path)
    assert (plain.readings, plain.retained.readings, plain.confirmed) == (1, 0, 2)
    assert [one.seq for one in spooled(plain)] == [2]


def test_what_is_retained_takes_room(path: Path) -> None:
    spool = open_spool(path, retain=True, limit_bytes=700)
    append(spool, 2)
    spool.confirm([(1, 1)])
    with pytest.raises(SpoolFullError, match="bytes wait for a broker"):
        append(spool, 2, start=3)
    spool.release([mark(PV, 0, 2)])
    append(spool, 2, start=3)
