"""All sites together: connects them, sets the clock, drives each in a thread of its own, and knows how far they are."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from vpp_workloads.gateway.errors import GatewayError, NotConnectedError
from vpp_workloads.gateway.gateway import Gateway, wall_clock_us
from vpp_workloads.gateway.ledger import Run, read_ledger
from vpp_workloads.gateway.settings import load_settings
from vpp_workloads.gateway.watch import SettingsWatch
from vpp_workloads.simulator.clock import SimulatedClock, continued, new_clock, recall, remember
from vpp_workloads.simulator.config import Config, SiteConfig
from vpp_workloads.simulator.errors import SimulatorError
from vpp_workloads.simulator.horizon import HOUR_US
from vpp_workloads.simulator.record import Record
from vpp_workloads.simulator.site import Site
from vpp_workloads.simulator.sites import site_profiles

_LOG = logging.getLogger(__name__)
_CLOSE_SECONDS: Final = 8.0
_POLL_SECONDS: Final = 0.5


class State(StrEnum):
    """How far the simulation is."""

    WAITING = "Waiting"
    RUNNING = "Running"
    FINISHED = "Finished"


class Simulation:
    """A configuration with its gateways; everything it must remember lies in `state_folder`."""

    def __init__(
        self, config: Config, state_folder: Path, stop: threading.Event, clock: Callable[[], int] = wall_clock_us
    ) -> None:
        """Open the spools.

        Args:
            config: what to simulate.
            state_folder: what restarts find again.
            stop: set from outside to end the simulation; `close` sets it too.
            clock: wall clock in µs since the epoch.

        Raises:
            GatewayError: a site's settings or spool cannot be used.
        """
        self._config = config
        self._clock_file = state_folder / "clock.json"
        self._spools = state_folder / "spools"
        self._spools.mkdir(parents=True, exist_ok=True)
        self._wall_clock_us = clock
        self._clock: SimulatedClock | None = None
        self._reason = "" if config.sites else "no site is configured yet"
        self._failure: BaseException | None = None
        self._stop = stop
        self._sites: dict[str, Site] = {}
        self._records: dict[str, Record] = {}
        self._gateways = {site.site: self._gateway(site) for site in config.sites}
        self._watch = SettingsWatch({site.gateway_file: self._gateways[site.site].change for site in config.sites})

    def _gateway(self, site: SiteConfig) -> Gateway:
        settings = load_settings(site.gateway_file)
        if settings.site != site.site:
            raise SimulatorError(f"{site.gateway_file}: is for site {settings.site}, not {site.site}; give its own")
        return Gateway(settings, self._spools / f"{site.site}.sqlite", self._wall_clock_us)

    def start(self) -> None:
        """Connect, make the profiles, wait for all sites the first time, and let the clock run.

        Raises:
            SimulatorError: a configuration or data folder is wrong.
            NotConnectedError: a site does not connect within the deadline.
        """
        deadline = time.monotonic() + self._config.connect_deadline_seconds
        for gateway in self._gateways.values():
            gateway.start()
        self._watch.start()
        for site in self._config.sites:
            gateway = self._gateways[site.site]
            record = self._records[site.site] = Record(self._spools.parent / "steered" / f"{site.site}.sqlite")
            driven = Site(
                site.site,
                site_profiles(site, self._config),
                self._config.horizon,
                self._config.reading_interval_seconds,
                gateway,
                record=record,
                set_point=gateway.commands.in_force,
            )
            gateway.commands.decide_by(driven.steering.decide)
            self._sites[site.site] = driven
        if not self._config.sites:
            return
        known = recall(self._clock_file)
        clock = known and continued(known, self._config.horizon, self._config.acceleration, self._wall_clock_us())
        if clock is None:
            self._wait_for_all(deadline)
            clock = new_clock(self._config.horizon, self._config.acceleration, self._wall_clock_us())
        remember(self._clock_file, clock)
        self._clock = clock
        for running in self._sites.values():
            threading.Thread(
                target=self._drive, args=(running, clock), name=f"site-{running.name}", daemon=True
            ).start()

    def _wait_for_all(self, deadline: float) -> None:
        self._reason = "waits for all sites to connect"
        for gateway in self._gateways.values():
            while not self._stop.is_set():
                left = deadline - time.monotonic()
                try:
                    gateway.wait_connected(min(max(left, 0.0), _POLL_SECONDS))
                    break
                except NotConnectedError:
                    if left <= 0:
                        raise
        self._reason = ""

    def _drive(self, site: Site, clock: SimulatedClock) -> None:
        try:
            site.run(clock, self._wall_clock_us, self._stop)
        except Exception as error:  # noqa: BLE001 - a site that stops must stop the program, whatever the cause
            _LOG.exception("site %s stopped", site.name)
            self._failure = error

    @property
    def failure(self) -> BaseException | None:
        """What stopped a site, if anything did."""
        return self._failure

    def progress(self) -> dict[str, Any]:
        """Return how far the simulation is, as `/progress` shows it."""
        status = {name: gateway.status() for name, gateway in self._gateways.items()}
        horizon = self._config.horizon
        confirmed = sum(one.confirmed for one in status.values())
        spooled = sum(one.spooled for one in status.values())
        done_us = min((site.done_us for site in self._sites.values()), default=horizon.start_us)
        state = State.WAITING if self._clock is None else State.RUNNING
        if self._clock is not None and spooled == 0 and all(site.finished for site in self._sites.values()):
            state = State.FINISHED
        now_us = self._clock.simulated_us(self._wall_clock_us()) if self._clock else horizon.start_us
        not_connected = [f"site {name}: {one.reason}" for name, one in status.items() if one.reason != "connected"]
        return {
            "vpp": self._config.vpp,
            "state": state,
            "reason": "; ".join([self._reason, *not_connected[:3]]).strip("; "),
            "simulated_us": min(now_us, horizon.end_us),
            "day_seconds_done": max(done_us - horizon.start_us, 0) / 1e6,
            "created": confirmed + spooled,
            "confirmed": confirmed,
            "spooled": spooled,
            "refused": sum(one.refused for one in status.values()),
            "waits": sum(one.waits for one in status.values()),
            "retained": sum(one.retained for one in status.values()),
            "sent_again": sum(one.sent_again for one in status.values()),
            "sites": {
                name: {
                    "state": one.state,
                    "reason": one.reason,
                    "boot": one.boot,
                    "confirmed": one.confirmed,
                    "spooled": one.spooled,
                    "refused": one.refused,
                }
                for name, one in status.items()
            },
        }

    def source(self) -> Mapping[str, Mapping[str, float]]:
        """Return the energy of each DER by hour, whether it was sent yet or not; see `Site.source_kwh`."""
        horizon = self._config.horizon
        return {
            der: {horizon.hour_name((start_us - horizon.start_us) // HOUR_US): kwh for start_us, kwh in hours.items()}
            for site in list(self._sites.values())
            for der, hours in site.source_kwh().items()
        }

    def ledger(self) -> Iterator[Run]:
        """Yield all confirmed runs, those of sites that are no longer configured included."""
        for gateway in self._gateways.values():
            yield from gateway.ledger()
        for file in sorted(self._spools.glob("*.sqlite")):
            if file.stem not in self._gateways:
                yield from read_ledger(file)

    def close(self) -> None:
        """Stop the clock, send what is spooled as far as that goes quickly, and close the spools."""
        self._stop.set()
        self._watch.stop()
        with ThreadPoolExecutor(max_workers=max(len(self._gateways), 1)) as pool:
            for name, done in [(name, pool.submit(one.close, _CLOSE_SECONDS)) for name, one in self._gateways.items()]:
                try:
                    if not done.result():
                        _LOG.warning("site %s: what is not confirmed stays in its spool", name)
                except GatewayError as error:
                    _LOG.warning("site %s: %s", name, error)
        for record in self._records.values():
            record.close()
