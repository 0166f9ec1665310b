"""When an old account may go: a table of what is seen, and every short sequence of sights."""

from __future__ import annotations

import itertools

import pytest

from vpp_operator.decide.rotation import Limits, Rotation, Seen, advanced

LIMITS = Limits(grace_seconds=60, silence_seconds=600)
NOW = 1000.0


@pytest.mark.parametrize(
    ("title", "before", "seen", "after", "done"),
    [
        (
            "the old one is in use",
            Rotation(old_unused_since=1.0, silent_since=1.0),
            Seen(old_connections=1, new_channel_connections=5),
            Rotation(),
            False,
        ),
        (
            "the new one has just connected",
            Rotation(),
            Seen(new_channel_connections=1),
            Rotation(old_unused_since=NOW),
            False,
        ),
        (
            "the new one is connected, and the old one was not used for long enough",
            Rotation(old_unused_since=NOW - 60),
            Seen(new_channel_connections=1),
            Rotation(old_unused_since=NOW - 60),
            True,
        ),
        (
            "the site has fallen silent just now",
            Rotation(old_unused_since=NOW - 100),
            Seen(),
            Rotation(old_unused_since=NOW - 100, silent_since=NOW),
            False,
        ),
        (
            "the site was silent for the whole time",
            Rotation(old_unused_since=NOW - 600, silent_since=NOW - 600),
            Seen(),
            Rotation(old_unused_since=NOW - 600, silent_since=NOW - 600),
            True,
        ),
        (
            "a broker does not answer",
            Rotation(old_unused_since=NOW - 900, silent_since=NOW - 900),
            Seen(without_answer=("ingest-1",), new_channel_connections=1),
            Rotation(old_unused_since=NOW - 900, silent_since=NOW - 900),
            False,
        ),
    ],
)
def test_what_is_seen_says_whether_the_old_account_may_go(
    title: str, before: Rotation, seen: Seen, after: Rotation, done: bool
) -> None:
    assert advanced(before, seen, LIMITS, NOW)[:2] == (after, done), title


def test_the_reason_tells_what_is_waited_for() -> None:
    assert advanced(Rotation(), Seen(old_connections=2), LIMITS, NOW)[2] == "2 of its connections use the old account"
    assert advanced(Rotation(), Seen(without_answer=("demo-control",)), LIMITS, NOW)[2] == (
        "who is connected to demo-control is not known"
    )
    assert advanced(Rotation(silent_since=NOW - 30), Seen(), LIMITS, NOW)[2] == (
        "the site has not connected for 30 of 600 s"
    )


SIGHTS = (
    Seen(old_connections=1),
    Seen(old_connections=1, new_channel_connections=1),
    Seen(new_channel_connections=1),
    Seen(),
    Seen(without_answer=("ingest-0",)),
)


def test_in_every_sequence_of_sights_it_goes_only_after_enough_time_without_use() -> None:
    """Seven looks 20 s apart, 5^7 sequences: the old account goes only if the grace was seen to pass, look by look."""
    limits = Limits(grace_seconds=60, silence_seconds=100)
    for sights in itertools.product(SIGHTS, repeat=7):
        progress, ended = Rotation(), False
        for number, seen in enumerate(sights):
            progress, done, _ = advanced(progress, seen, limits, 20.0 * number)
            if done:
                unused = [one.old_connections == 0 for one in sights[: number + 1]]
                assert all(unused[-4:]), "used within the grace"
                assert seen.new_channel_connections or all(unused[-6:]), "silent for too short a time"
                assert not seen.without_answer
                ended = True
                break
        quiet = all(one.new_channel_connections and not one.old_connections for one in sights)
        assert ended or not quiet, "a site that uses the new account alone never gets rid of the old one"
