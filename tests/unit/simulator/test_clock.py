"""The simulated clock goes on through restarts and changes of pace, and never back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from vpp_workloads.simulator.clock import continued, new_clock, recall, remember
from vpp_workloads.simulator.errors import ConfigError
from vpp_workloads.simulator.horizon import Horizon, time_name


def horizon(day: int) -> Horizon:
    return Horizon(start=datetime(2022, 6, day, tzinfo=UTC), hours=24)


CLOCK = new_clock(horizon(21), 720, 1_000_000)


def test_a_day_takes_two_minutes() -> None:
    assert CLOCK.simulated_us(1_000_000) == horizon(21).start_us
    assert CLOCK.simulated_us(121_000_000) == horizon(21).end_us
    assert CLOCK.simulated_us(0) == horizon(21).start_us
    assert CLOCK.wall_seconds_until(horizon(21).end_us, 61_000_000) == pytest.approx(60)
    assert CLOCK.wall_seconds_until(horizon(21).start_us, 61_000_000) == 0


def test_a_restart_finds_the_clock_again(tmp_path: Path) -> None:
    assert recall(tmp_path / "clock.json") is None
    remember(tmp_path / "clock.json", CLOCK)
    assert recall(tmp_path / "clock.json") == CLOCK
    assert continued(CLOCK, horizon(21), 720, 5_000_000) is CLOCK


def test_a_later_start_is_a_new_simulation() -> None:
    assert continued(CLOCK, horizon(22), 720, 5_000_000) is None


def test_another_acceleration_goes_on_from_where_it_is() -> None:
    slower = continued(CLOCK, horizon(21), 1, 61_000_000)
    assert slower is not None
    assert slower.simulated_us(61_000_000) == CLOCK.simulated_us(61_000_000)
    assert slower.simulated_us(62_000_000) == CLOCK.simulated_us(61_000_000) + 1_000_000


def test_an_earlier_start_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        continued(CLOCK, horizon(20), 720, 5_000_000)
    assert str(caught.value) == (
        "start: 2022-06-20T00:00:00Z lies before 2022-06-21T00:00:00Z, where this simulator began; "
        "time goes forward only, so choose a later start or delete the simulator's volume"
    )


def test_a_damaged_clock_is_named(tmp_path: Path) -> None:
    (tmp_path / "clock.json").write_text('{"anchor": 1}')
    with pytest.raises(
        ConfigError, match=r"clock\.json: is no clock of a simulator .*; delete the simulator's volume$"
    ):
        recall(tmp_path / "clock.json")


def test_times_are_named_in_utc() -> None:
    assert time_name(horizon(21).start_us) == "2022-06-21T00:00:00Z"
    assert horizon(21).hour_name(13) == "2022-06-21T13:00:00Z"
