"""What counts as lost: identities are compared, not totals."""

from __future__ import annotations

import pytest

from tests.bench._publisher import Outcome
from tests.bench._reader import Stored
from tests.bench._units import Measured
from tests.bench._workload import Stream


@pytest.mark.parametrize(
    ("confirmed", "stored", "left", "lost", "surplus"),
    [
        pytest.param([1, 2, 3], [1, 2, 3], 0, 0, 0, id="nothing"),
        pytest.param([1, 2], [1, 2, 3], 0, 0, 0, id="stored without its confirm"),
        pytest.param([1, 2, 3], [1, 2, 4], 0, 1, 0, id="a confirmed one is missing, though the totals fit"),
        pytest.param([1], [1], 2, 2, 0, id="accepted and never confirmed"),
        pytest.param([1, 2], [1, 2, 2, 2], 0, 0, 1, id="more than was published"),
    ],
)
def test_lost_and_surplus(confirmed: list[int], stored: list[int], left: int, lost: int, surplus: int) -> None:
    sent = Outcome(published=3, left=left, confirmed=[("der", number) for number in confirmed])
    held = Stored(messages=len(stored), identities=[("der", number) for number in stored])
    found = Measured(sent=sent, stored=held, cpu_cores=(0.0,))
    assert (found.lost, found.surplus) == (lost, surplus)


def test_a_reader_knows_how_old_a_message_is_and_what_it_holds() -> None:
    load = Stream(messages_per_second=1.0, senders=1, readings=5)
    identity, body = load.body("s", 0, 2, created_us=1_000_000)
    stored = Stored()
    stored.add(load.content_type, body, now_us=3_500_000)
    assert (stored.messages, stored.readings, stored.body_bytes) == (1, 5, len(body))
    assert (stored.identities, stored.delays_seconds) == ([identity], [2.5])
