"""A process that dies between any two statements loses nothing, doubles nothing, renumbers nothing.

Before every statement of a step the files are copied as a kill would leave them. The machine then goes on with one of
the copies, as a restarted gateway would.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.gateway.brokers import SITE, FakeSession, confirmed, measurements, open_spool, spooled
from vpp_workloads.gateway.sender import Sender

Identity = tuple[str, int, int]


class CrashingGateway(RuleBasedStateMachine):
    """Accepts, publishes, confirms and crashes in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.opened = 0
        self.known: dict[Identity, int] = {}
        """Event time of every reading that was ever accepted."""
        self.next_time = {f"{SITE}/pv": 1, f"{SITE}/load": 1}
        self.time = 0.0

    @initialize()
    def begin(self) -> None:
        self.open(None)

    def open(self, copy: Path | None) -> None:
        """Start a gateway on a copy of the files, None for none."""
        self.opened += 1
        path = self.folder / str(self.opened) / "spool.sqlite"
        if copy is None:
            path.parent.mkdir()
        else:
            shutil.copytree(copy, path.parent)
        self.spool = open_spool(path)
        self.path = path
        self.sender = Sender(self.spool, batch_readings=4, window_messages=3, linger_seconds=0.0)
        self.session = FakeSession()
        self.sender.begin(self.session)

    def watch(self) -> list[Path]:
        """Copy the files before every statement from now on and return the list of copies that this fills."""
        copies: list[Path] = []
        self.opened += 1
        folder = self.folder / f"copies-{self.opened}"

        def copy(_statement: str) -> None:
            target = folder / str(len(copies))
            shutil.copytree(self.path.parent, target)
            copies.append(target)

        self.spool._db.set_trace_callback(copy)
        return copies

    def crash_or_go_on(self, copies: list[Path], moment: int) -> bool:
        """Crash at one of the moments, or, at the last, not at all. Say whether it crashed."""
        self.spool._db.set_trace_callback(None)
        moment %= len(copies) + 1
        if moment == len(copies):
            return False
        self.spool.close()
        self.open(copies[moment])
        return True

    @rule(der=st.sampled_from(("pv", "load")), count=st.integers(1, 9), moment=st.integers(0, 12))
    def accept(self, der: str, count: int, moment: int) -> None:
        name = f"{SITE}/{der}"
        new = measurements(count, der=name, start=self.next_time[name])
        copies = self.watch()
        self.spool.append(new, created_us=1, row_readings=4)
        crashed = self.crash_or_go_on(copies, moment)
        kept = [one for one in spooled(self.spool) if one.identity not in self.known]
        taken = {one.identity: one.event_time_us for one in kept}
        wanted = [one.event_time_us for one in new]
        assert list(taken.values()) == wanted or (crashed and not taken)
        self.known |= taken
        if taken:
            self.next_time[name] += count
        # A simulator or device that looks where to go on finds just that.
        last = self.spool.last_event_time_us(name)
        assert (last or 0) == 60_000_000 * (self.next_time[name] - 1)

    @rule()
    def publish(self) -> None:
        self.time += 100
        self.sender.pump(self.time, flush=True)

    @precondition(lambda self: self.sender.in_flight)
    @rule(choice=st.integers(0, 2), multiple=st.booleans(), moment=st.integers(0, 20))
    def confirm(self, choice: int, multiple: bool, moment: int) -> None:
        tags = list(self.sender._in_flight)
        self.sender.confirmed(tags[choice % len(tags)], self.time, multiple=multiple)
        copies = self.watch()
        self.sender.settle()
        self.crash_or_go_on(copies, moment)

    @precondition(lambda self: self.sender.in_flight)
    @rule(choice=st.integers(0, 2))
    def reject(self, choice: int) -> None:
        tags = list(self.sender._in_flight)
        self.sender.rejected(tags[choice % len(tags)], self.time, multiple=False)

    @rule()
    def lose_the_connection(self) -> None:
        self.session = FakeSession()
        self.sender.begin(self.session)

    @invariant()
    def every_reading_is_in_one_place_under_its_own_name(self) -> None:
        if self.opened == 0:
            return
        waiting = [one.identity for one in spooled(self.spool)]
        settled = confirmed(self.spool)
        assert sorted(waiting + settled) == sorted(self.known)
        assert all(self.known[one.identity] == one.event_time_us for one in spooled(self.spool))
        assert (self.spool.readings, self.spool.confirmed) == (len(waiting), len(settled))

    @invariant()
    def what_was_published_is_what_was_accepted(self) -> None:
        if self.opened == 0:
            return
        for tag in self.session.parcels:
            for seq in self.session.sequence_numbers(tag):
                assert any(identity[2] == seq for identity in self.known)

    def teardown(self) -> None:
        if self.opened:
            self.spool.close()
        shutil.rmtree(self.folder)


CrashingGateway.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestCrashes = CrashingGateway.TestCase
