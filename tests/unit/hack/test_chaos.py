"""Faults in a running plant: every kind comes, at every moment of every transition, and every loss is called one."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from vppchaos.faults import is_moment
from vppchaos.report import counted, verdict
from vppchaos.schedule import MOST_CHANNELS, ROUND, Fault, Moment, all_faults, steps


@pytest.mark.parametrize("lose_volumes", [False, True])
def test_every_fault_comes_once_before_one_comes_again(lose_volumes: bool) -> None:
    count = len(all_faults(lose_volumes=lose_volumes))
    some = list(itertools.islice(steps(1, lose_volumes=lose_volumes), 2 * count))
    assert set(Counter((step.component, step.fault) for step in some).values()) == {2}
    assert len({(step.component, step.fault) for step in some[:count]}) == count
    assert (("channel", Fault.LOSE_VOLUME) in {(step.component, step.fault) for step in some}) == lose_volumes


def test_the_same_seed_gives_the_same_schedule_and_another_seed_another() -> None:
    first, again, other = (list(itertools.islice(steps(seed, lose_volumes=True), 50)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_channels_go_through_every_transition_within_bounds() -> None:
    assert {moment for _, moments in ROUND for moment in moments} == set(Moment)
    assert all(wish.active >= 1 and wish.active + wish.standby <= MOST_CHANNELS for wish, _ in ROUND)
    some = list(itertools.islice(steps(3, lose_volumes=True), 400))
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
    rest: dict[str, Any] = {"behind": 0, "energy_max_relative_error": 0.0, "losses_reported": [], "events": []}
    return {
        "readings": {name: changes.get(name, count) for name, count in counts.items()},
        **{name: changes.get(name, value) for name, value in rest.items()},
    }


EMPTIED = {"component": "channel", "fault": "lost volume", "moment": "any", "pod": "q-1", "done": "pod deleted"}
LOSS = {"channel": "q-1", "stream": "readings-2"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"events": [EMPTIED], "losses_reported": [LOSS]},
        {"events": [EMPTIED | {"moment": "Waking"}]},
    ],
)
def test_a_run_in_which_nothing_was_lost_has_no_fault(changes: dict[str, Any]) -> None:
    assert verdict(result(**changes)) == []


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
        ({"losses_reported": [{"channel": "q-0", "stream": "readings-1"}]}, "reports a loss"),
        ({"events": [EMPTIED]}, "does not report the lost volumes of q-1"),
        ({"events": [EMPTIED], "losses_reported": [LOSS, {**LOSS, "channel": "q-0"}]}, "reports a loss"),
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
