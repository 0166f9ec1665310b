"""Starts the operator: `python -m vpp_operator`.

`--once` looks at every plant once and ends; `--dry-run` prints what would be applied for the resources in files.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import kopf
import yaml
from prometheus_client import start_http_server

from vpp_contract.environment import SettingError
from vpp_operator import health as healths
from vpp_operator.bootstrap import open_ports
from vpp_operator.errors import VPPError
from vpp_operator.handlers import operator_settings, register
from vpp_operator.leader import Leadership
from vpp_operator.metrics import LEADER
from vpp_operator.plants import Plants
from vpp_operator.ports import PLANT_KINDS, Manifest, Ports, Refused
from vpp_operator.reconcile import Memory, plant_names, reconcile_plant
from vpp_operator.reconcile.preview import preview
from vpp_operator.settings import Settings, read_settings

_LOG = logging.getLogger("vpp_operator")


async def run(settings: Settings) -> None:
    """Wait for the lease, then act until it is lost or a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    start_http_server(settings.metrics_port)
    async with open_ports() as ports:
        health = healths.Health(ports.clock, settings.deaf_after_seconds)
        server = await healths.serve(health, settings.health_port)
        leadership = Leadership(ports.kubernetes, ports.clock, settings)
        try:
            await _until(stop, leadership.acquire())
            if not stop.is_set():
                await _lead(ports, settings, leadership, health, stop)
        finally:
            LEADER.set(0)
            with contextlib.suppress(VPPError):
                await leadership.release()
            await server.cleanup()


async def _lead(
    ports: Ports, settings: Settings, leadership: Leadership, health: healths.Health, stop: asyncio.Event
) -> None:
    await watched_resources(ports, settings)
    LEADER.set(1)
    health.listening()
    plants = Plants(functools.partial(reconcile_plant, ports, settings, Memory()), settings.resync_seconds)
    registry = kopf.OperatorRegistry()
    register(registry, plants, health, settings)
    watched = {*settings.watch_namespaces, settings.namespace} if settings.watch_namespaces else set()
    watching = kopf.operator(
        registry=registry,
        settings=operator_settings(settings),
        standalone=True,
        clusterwide=not watched,
        namespaces=sorted(watched),
        stop_flag=stop,
    )
    holding = asyncio.create_task(leadership.hold(), name="lease")
    kopf_task = asyncio.create_task(watching, name="kopf")
    try:
        await asyncio.wait({holding, kopf_task}, return_when=asyncio.FIRST_COMPLETED)
        if holding.done() and not stop.is_set():
            _LOG.error("the lease is lost; ending, so that only one operator acts")
    finally:
        stop.set()
        await plants.close()
        holding.cancel()
        await asyncio.wait({kopf_task}, timeout=10)
        await asyncio.gather(holding, return_exceptions=True)
    if kopf_task.done() and not kopf_task.cancelled() and kopf_task.exception() is not None:
        raise VPPError(f"watching ended: {kopf_task.exception()}")


async def watched_resources(ports: Ports, settings: Settings) -> list[Manifest]:
    """Return every resource of the operator's kinds; before watching, to learn that the cluster knows them.

    Raises:
        VPPError: it does not, or does not let the operator list them; the text says what to do.
    """
    namespaces: tuple[str | None, ...] = settings.watch_namespaces or (None,)
    found: list[Manifest] = []
    for namespace in namespaces:
        for kind in PLANT_KINDS:
            try:
                found += await ports.kubernetes.list(kind, namespace)
            except Refused as error:
                raise VPPError(
                    f"{error}; the operator needs its resource definitions (kubectl apply --server-side "
                    "-f charts/vpp-operator/crds) and the rights that its chart gives it"
                ) from None
    return found


async def _until(stop: asyncio.Event, work: object) -> None:
    """Await work, or the stop event, whichever comes first."""
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]  # any awaitable
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for pending in (task, stopping):
        if not pending.done():
            pending.cancel()
    await asyncio.gather(task, stopping, return_exceptions=True)


async def run_once(settings: Settings) -> None:
    """Look once at every plant there is."""
    async with open_ports() as ports:
        found = plant_names(await watched_resources(ports, settings))
        memory = Memory()
        for namespace, name in sorted(found):
            await reconcile_plant(ports, settings, memory, namespace, name)


def dry_run(settings: Settings, files: Sequence[str]) -> None:
    """Print the manifests that the resources in some files stand for, as YAML; `-` is standard input.

    Raises:
        VPPError: a file cannot be read, or a resource in it cannot be carried out.
    """
    documents: list[Manifest] = []
    for file in files:
        try:
            text = sys.stdin.read() if file == "-" else Path(file).read_text()
            found = [document for document in yaml.safe_load_all(text) if document is not None]
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise VPPError(f"{file} cannot be read as YAML: {' '.join(str(error).split())}") from None
        for document in found:
            if not isinstance(document, dict):
                raise VPPError(f"{file} holds something that is no resource: {str(document)[:60]!r}")
        documents += found
    manifests = preview(documents, settings.images, settings.namespace)
    if not manifests:
        raise VPPError(f"there is no VPPCluster in {', '.join(files)}; give the files of a whole plant")
    print(yaml.safe_dump_all(manifests, sort_keys=False, explicit_start=True), end="")


def configure_logging(settings: Settings) -> None:
    """Send the log to standard error, plain or as JSON."""
    formats = {
        "plain": kopf.LogFormat.FULL,
        "json": kopf.LogFormat.JSON,
    }
    kopf.configure(
        debug=settings.log_level == "debug",
        quiet=settings.log_level in ("warning", "error"),
        log_format=formats[settings.log_format],
    )
    for chatty in ("kopf", "aiohttp", "pika", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(prog="vpp_operator", description=__doc__)
    parser.add_argument("--once", action="store_true", help="look at every plant once and end")
    parser.add_argument(
        "--dry-run", nargs="+", metavar="FILE", help="print what would be applied for the resources in files"
    )
    arguments = parser.parse_args()
    try:
        settings = read_settings(os.environ)
        configure_logging(settings)
        if arguments.dry_run:
            dry_run(settings, arguments.dry_run)
            return 0
        asyncio.run(run_once(settings) if arguments.once else run(settings))
    except (SettingError, VPPError) as error:
        print(f"vpp-operator: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
