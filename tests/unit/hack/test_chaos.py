"""Faults in a running plant: every kind comes, at every moment of every transition, and every loss is called one."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from vppchaos.faults import is_moment
from vppchaos.report import counted, verdict
from vppchaos.schedule import MOST_CHANNELS, ROUND, Fault, Moment, all_faults, steps


def test_every_fault_comes_once_before_one_comes_again() -> None:
    some = list(itertools.islice(steps(1), 2 * len(all_faults())))
    assert set(Counter((step.component, step.fault) for step in some).values()) == {2}
    first = some[: len(all_faults())]
    assert len({(step.component, step.fault) for step in first}) == len(all_faults())


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    first, again, other = (list(itertools.islice(steps(seed), 50)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_channels_go_through_every_transition_within_bounds() -> None:
    assert {moment for _, moments in ROUND for moment in moments} == set(Moment)
    assert all(wish.active >= 1 and wish.active + wish.standby <= MOST_CHANNELS for wish, _ in ROUND)
    some = list(itertools.islice(steps(3), 400))
    assert {step.moment for step in some} == set(Moment)


@pytest.mark.parametrize(
    ("moment", "channels", "come"),
    [
        (Moment.ANY, [], True),
        (Moment.WAKING, [{"state": "Active"}, {"state": "Waking"}], True),
        (Moment.WAKING, [{"state": "Active"}], False),
        (Moment.FILLING, [{"state": "Active", "fillingSince": "2026-01-01T00:00:00Z"}], True),
        (Moment.FILLING, [{"state": "Active"}], False),
        (Moment.MARKED, [{"state": "Draining", "markerOffset": 0}], True),
        (Moment.MARKED, [{"state": "Draining"}], False),
        (Moment.DRAINING, [{"state": "Draining"}], True),
    ],
)
def test_a_moment_is_told_by_the_channels_states(moment: Moment, channels: list[dict[str, Any]], *, come: bool) -> None:
    assert is_moment(moment, channels) is come


def result(**changes: Any) -> dict[str, Any]:
    counts = {"confirmed": 10, "in_twin": 10, "lost": 0, "duplicated": 0, "phantom": 0, "inversions": 0}
    rest: dict[str, Any] = {"behind": 0, "energy_max_relative_error": 0.0, "losses_reported": []}
    return {
        "readings": {name: changes.get(name, count) for name, count in counts.items()},
        **{name: changes.get(name, value) for name, value in rest.items()},
    }


def test_a_run_in_which_nothing_was_lost_has_no_fault() -> None:
    assert verdict(result()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"confirmed": 0}, "nothing was shown"),
        ({"lost": 1}, "1 readings were confirmed and are not in the history"),
        ({"duplicated": 2}, "2 readings were counted more than once"),
        ({"phantom": 3}, "3 readings were in the history and never confirmed"),
        ({"inversions": 4}, "4 readings were followed by an older one"),
        ({"behind": 5}, "5 DERs do not end at their newest reading"),
        ({"energy_max_relative_error": None}, "energies differ"),
        ({"energy_max_relative_error": float("nan")}, "energies differ"),
        ({"losses_reported": [{"stream": "readings-1"}]}, "reports a loss"),
    ],
)
def test_whatever_went_wrong_is_said(changes: dict[str, Any], words: str) -> None:
    found = verdict(result(**changes))
    assert len(found) == 1
    assert words in found[0]


def test_only_what_was_done_counts_as_a_fault_and_only_at_the_moment_it_was_meant_for() -> None:
    events = [
        {
            "component": "driver",
            "fault": str(Fault.KILL),
            "moment": "Draining",
            "met": True,
            "done": "killed",
            "waits_for_room": 2,
        },
        {"component": "driver", "fault": str(Fault.KILL), "moment": "Waking", "met": False, "done": "killed"},
        {"component": "driver", "fault": str(Fault.KILL), "moment": "Waking", "met": True, "failed": "no pod"},
    ]
    assert counted(events) == {
        "faults": 2,
        "by_fault": {"driver: kill -9": 2},
        "by_moment": {"Draining": 1},
        "with_full_spools": 1,
        "not_done": 1,
    }
