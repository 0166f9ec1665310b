"""The simulated clock: `acceleration` times faster than the wall clock, from a moment that restarts remember."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from vpp_workloads.simulator.errors import ConfigError
from vpp_workloads.simulator.horizon import Horizon, time_name


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedClock:
    """Maps wall-clock time to simulated time, both in µs since the epoch."""

    anchor_us: int
    """A moment of wall-clock time."""
    simulated_anchor_us: int
    """The simulated time at that moment."""
    acceleration: float
    horizon_start_us: int
    """Start of the simulation this clock was set for."""

    def simulated_us(self, wall_us: int) -> int:
        """Return the simulated time; it stands still before the anchor."""
        return self.simulated_anchor_us + max(int((wall_us - self.anchor_us) * self.acceleration), 0)

    def wall_seconds_until(self, simulated_us: int, wall_us: int) -> float:
        """Return how many seconds of wall-clock time are left until a simulated time."""
        return max(simulated_us - self.simulated_us(wall_us), 0) / self.acceleration / 1e6


def new_clock(horizon: Horizon, acceleration: float, wall_us: int) -> SimulatedClock:
    """Return a clock that begins with the horizon now."""
    return SimulatedClock(
        anchor_us=wall_us,
        simulated_anchor_us=horizon.start_us,
        acceleration=acceleration,
        horizon_start_us=horizon.start_us,
    )


def continued(clock: SimulatedClock, horizon: Horizon, acceleration: float, wall_us: int) -> SimulatedClock | None:
    """Return a remembered clock for what is configured now; None if a later simulation has to begin.

    Raises:
        ConfigError: the start was moved back, into time that was simulated already.
    """
    if horizon.start_us < clock.horizon_start_us:
        raise ConfigError(
            f"start: {time_name(horizon.start_us)} lies before {time_name(clock.horizon_start_us)}, where this "
            "simulator began; time goes forward only, so choose a later start or delete the simulator's volume"
        )
    if horizon.start_us > clock.horizon_start_us:
        return None
    if acceleration == clock.acceleration:
        return clock
    return SimulatedClock(
        anchor_us=wall_us,
        simulated_anchor_us=clock.simulated_us(wall_us),
        acceleration=acceleration,
        horizon_start_us=clock.horizon_start_us,
    )


def recall(file: Path) -> SimulatedClock | None:
    """Return the clock that `remember` wrote, None if there is none.

    Raises:
        ConfigError: the file is there and is no such clock.
    """
    try:
        return SimulatedClock(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{file}: is no clock of a simulator ({error}); delete the simulator's volume") from None


def remember(file: Path, clock: SimulatedClock) -> None:
    """Write the clock for `recall`, whole or not at all."""
    draft = file.with_suffix(".new")
    with draft.open("w") as stream:
        json.dump(asdict(clock), stream)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
