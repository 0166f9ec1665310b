"""What the site gateway confirms in a second with its spool on disk, beside bare pika that does the same without one.

All ways take the same measurements, give them identities, encode and publish them in batches of a hundred to the same
broker, one process each. Bare pika keeps nothing: what is not confirmed when it dies is gone.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pika

from tests.bench._document import FOLDER, result, write
from tests.bench._publisher import PERSISTENT, Access, Load
from tests.bench._reader import Beside
from tests.bench._units import SITES, Unit, units_on_cluster
from tests.bench._workload import T0_US, Identity
from vpp_contract.names import INGRESS_EXCHANGE, readings_key
from vpp_contract.readings import BATCH_CONTENT_TYPE, encode_batch
from vpp_workloads.gateway.gateway import Gateway
from vpp_workloads.gateway.measurement import Measurement, reading_of
from vpp_workloads.gateway.settings import Settings

NAMESPACE: Final = "vpp-bench-gateway"
BATCH: Final = 100
DERS: Final = 4
"""Of a house: photovoltaics, battery, load, vehicle."""
MANY_DERS: Final = 100
"""So that every reading of a batch is another DER's: the ledger's worst case."""
GATEWAY, GATEWAY_MANY = "gateway with its spool", f"gateway with its spool, {MANY_DERS} DERs"
WINDOW: Final = 64
TARGET_SHARE: Final = 0.6
CLOSE_SECONDS: Final = 60.0
Turn = tuple[int, float]
"""Readings that were confirmed, and the seconds that took."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add this part's options."""
    parser.add_argument("--gateway-seconds", type=float, default=4.0, help="how long each way publishes")
    parser.add_argument("--gateway-repeats", type=int, default=5, help="how often each way is measured")
    parser.add_argument("--gateway-cpu", default="1", help="the broker's CPU limit beside the gateway")


def measurements(site: str, ders: int = DERS) -> list[list[Measurement]]:
    """Return batches of what a site's DERs measure, one after another."""
    return [
        [
            Measurement(
                der=f"{site}/der-{at % ders}",
                kind="load",
                event_time_us=T0_US + (turn * BATCH + at) // ders * 1_000_000,
                interval_seconds=1.0,
                power_kw=1.2,
                energy_kwh=0.0003,
            )
            for at in range(BATCH)
        ]
        for turn in range(100)
    ]


def with_gateway_of_many(access: Access, seconds: float, folder: str) -> Turn:
    """The gateway, of a site of many DERs."""
    return with_gateway(access, seconds, folder, MANY_DERS)


def with_gateway(access: Access, seconds: float, folder: str, ders: int = DERS) -> Turn:
    """The gateway, spool on disk."""
    settings = Settings(
        site=access.site,
        username=access.username,
        password=access.password,
        host=access.host,
        amqp_port=access.port,
        batch_readings=BATCH,
        window_messages=WINDOW,
    )
    rounds = itertools.cycle(measurements(access.site, ders))
    with tempfile.TemporaryDirectory(dir=folder) as spool:
        gateway = Gateway(settings, Path(spool) / "spool.sqlite")
        gateway.start()
        gateway.wait_connected(30.0)
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            gateway.accept(next(rounds))
        if not gateway.flush(CLOSE_SECONDS):
            raise RuntimeError("the gateway did not empty its spool in time")
        lasted, confirmed = time.monotonic() - started, gateway.status().confirmed
        gateway.close()
    return confirmed, lasted


def with_blocking_pika(access: Access, seconds: float, _folder: str) -> Turn:
    """pika's BlockingConnection, which waits for the confirm of every message."""
    credentials = pika.PlainCredentials(access.username, access.password)
    connection = pika.BlockingConnection(pika.ConnectionParameters(access.host, access.port, credentials=credentials))
    channel = connection.channel()
    channel.confirm_delivery()
    properties = pika.BasicProperties(content_type=BATCH_CONTENT_TYPE, delivery_mode=PERSISTENT)
    rounds = itertools.cycle(measurements(access.site))
    started = time.monotonic()
    sent = 0
    while time.monotonic() - started < seconds:
        body = encoded(next(rounds), sent)
        channel.basic_publish(INGRESS_EXCHANGE, readings_key(access.site), body, properties)
        sent += 1
    lasted = time.monotonic() - started
    connection.close()
    return sent * BATCH, lasted


def encoded(batch: Sequence[Measurement], seq: int) -> bytes:
    """Return measurements as a message, numbered."""
    now_us = time.time_ns() // 1000
    return encode_batch([reading_of(one, boot=1, seq=seq, created_us=now_us) for one in batch])


class Measurements:
    """An endless workload of measurements, each encoded when it is sent."""

    endless = True
    content_type = BATCH_CONTENT_TYPE
    readings = BATCH

    def __init__(self, site: str) -> None:
        self._rounds = itertools.cycle(measurements(site))

    def due_seconds(self) -> Iterator[tuple[float, int]]:
        return itertools.repeat((0.0, 0))

    def body(self, site: str, sender: int, turn: int, created_us: int) -> tuple[Identity, bytes]:
        return (site, turn), encoded(next(self._rounds), turn)


def with_windowed_pika(access: Access, seconds: float, _folder: str) -> Turn:
    """pika's SelectConnection with as many messages on their way as the gateway has."""
    load = Load(Measurements(access.site), [access], seconds=seconds, bound=WINDOW, window=WINDOW)
    sent = load.run()
    return len(sent.confirmed) * BATCH, max(sent.confirmed_at)


WAYS: Final[dict[str, Callable[[Access, float, str], Turn]]] = {
    GATEWAY: with_gateway,
    GATEWAY_MANY: with_gateway_of_many,
    "bare pika, each message confirmed": with_blocking_pika,
    "bare pika, 64 messages on their way": with_windowed_pika,
}


def measure(unit: Unit, seconds: float, repeats: int) -> dict[str, list[float]]:
    """Return readings a second of each way, taking turns."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for number in range(1, repeats + 1):
        for name, way in WAYS.items():
            unit.renew()
            confirmed, lasted = Beside(way, unit.access(SITES[0]), seconds, str(FOLDER)).result(
                seconds + 2 * CLOSE_SECONDS
            )
            stored = unit.messages(at_least=confirmed // BATCH)
            if stored * BATCH < confirmed:
                raise RuntimeError(f"{name}: {confirmed} readings were confirmed, {stored} messages are stored")
            found[name].append(confirmed / lasted)
            print(f"  {number}/{repeats} {name}: {found[name][-1]:,.0f} confirmed readings/s", flush=True)
    return found


def rows(found: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Return the document's rows: the gateway, of few DERs and of many, is held against the faster of the bare ways."""
    bare = {name: statistics.median(samples) for name, samples in found.items() if name.startswith("bare")}
    best = max(bare, key=lambda name: bare[name])
    return [
        *(result(f"(e) {name}: confirmed", "readings/s", samples) for name, samples in found.items()),
        *(_share(name, found[name], best, found[best]) for name in (GATEWAY, GATEWAY_MANY)),
    ]


def _share(name: str, ours: Sequence[float], best: str, theirs: Sequence[float]) -> dict[str, Any]:
    shares = [one / other for one, other in zip(ours, theirs, strict=True)]
    baseline = round(statistics.median(theirs), 1)
    metric = f"(e) {name} beside {best}"
    return result(metric, "1", shares, baseline=baseline, target=TARGET_SHARE, at_most=False)


def run(arguments: Namespace, command: Sequence[str]) -> int:
    """Measure and write."""
    with units_on_cluster(NAMESPACE, 1, arguments.gateway_cpu) as (unit,):
        found = measure(unit, arguments.gateway_seconds, arguments.gateway_repeats)
        versions = unit.versions()
    limits = {
        "broker cpu": arguments.gateway_cpu,
        "broker memory": "512Mi",
        "message": f"{BATCH} readings of {DERS} DERs",
    }
    write(
        "channels", part="gateway", limits=limits, versions=versions, repeats=arguments.gateway_repeats,
        results=rows(found), series=dict(found), arguments=command,
    )  # fmt: skip
    return 0
