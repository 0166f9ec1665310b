"""The account of a run of PerfTest: it must not be fooled by totals that happen to fit."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.perftest.account import compare, read_log, stamp_of
from tests.perftest.jars import POM, wanted, wrong_files

LOG = """\
id: test-204910-060, starting producer #0, channel #0
publisher 0: message published, timestamp = 100, publishing ID = 1
publisher 1: message published, timestamp = 101, publishing ID = 1
publisher 0: publish confirm, type = ack, publishing ID = 1, confirm count = 1
publisher 0: message confirmed, type = ack, timestamp = 100, publishing ID = 1
publisher 0: message published, timestamp = 102, publishing ID = 2
publisher 0: message published, timestamp = 103, publishing ID = 3
publisher 0: message confirmed, type = nack, timestamp = 103, publishing ID = 3
publisher 1: message confirmed, type = ack, timestamp = 101, publishing ID = 1
16.001s  10 msg/s  0 msg/s  210 msg/s  0 msg/s 18510/249883/329637/343690/405262 µs
"""


def test_a_verbose_log_names_every_message() -> None:
    log = read_log(LOG.splitlines())
    assert set(log.published) == {100, 101, 102, 103}
    assert set(log.confirmed) == {100, 101}
    assert log.refused == 1


@pytest.mark.parametrize(
    ("stored", "holds"),
    [
        pytest.param([100, 101], True, id="what was confirmed is stored"),
        pytest.param([100, 101, 102], True, id="what was not confirmed may be stored as well"),
        pytest.param([100, 102], False, id="a confirmed message is lost, and the total hides it"),
        pytest.param([100, 101, 101], False, id="a message is stored twice"),
        pytest.param([100, 101, 999], False, id="a message is stored that nobody published"),
        pytest.param([], False, id="nothing is stored"),
    ],
)
def test_the_account(stored: list[int], holds: bool) -> None:
    assert compare(read_log(LOG.splitlines()), stored).holds is holds


def test_a_body_carries_its_time_stamp() -> None:
    assert stamp_of(struct.pack(">iq", 7, 1824201664598) + bytes(52)) == 1824201664598


def test_a_short_body_is_none_of_perftests() -> None:
    with pytest.raises(ValueError, match="none of PerfTest's"):
        stamp_of(b"{}")


def test_every_jar_has_a_checksum_and_perftest_is_among_them() -> None:
    version = POM.read_text().partition("<artifactId>perf-test</artifactId>")[2].partition("<version>")[2]
    assert f"perf-test-{version.partition('<')[0]}.jar" in wanted()
    assert all(len(checksum) == 64 for checksum in wanted().values())


def test_files_that_are_missing_changed_or_too_many_are_told(tmp_path: Path) -> None:
    first, *others = sorted(wanted())
    (tmp_path / first).write_bytes(b"something else")
    (tmp_path / "surplus.jar").write_bytes(b"")
    assert wrong_files(tmp_path) == sorted([first, *others, "surplus.jar"])
    assert wrong_files(tmp_path / "nowhere") == [first, *others]
