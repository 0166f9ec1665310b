"""RabbitMQ's own load generator publishes through the Service while a channel wakes and sleeps; nothing is lost.

It knows nothing of this project, so its messages are no readings: the twin has to keep each of them as poison, once.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pika
import pytest

from tests.perftest import run as perftest
from tests.perftest.account import Account, compare, read_log
from tests.perftest.jars import perftest_jars
from tests.reach import open_to_this_machine
from vpp_contract.names import DRIVER_PORT
from vppdemo import install, live, plant
from vppdemo.kube import DemoError, Kube, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]  # a day of two minutes, and the image may have to be loaded
NAMESPACE = "vpp-e2e-perftest"
SITE, POD, FOLDER = "perftest", "perftest", "/tmp/perftest"
SECOND = f"{plant.CHANNELS}-1"
RATE, SECONDS = 100, 80
CYCLE_SECONDS = 45
"""A channel that stands by, wakes and sleeps takes less."""
READY = "jsonpath={range .status.conditions[*]}{.type}={.status} {end}"
OUT = Path(__file__).resolve().parent.parent.parent / "out"
# The pod waits for its jars, runs PerfTest once, and stays until its log has been read.
SCRIPT = f"""
mkdir -p {FOLDER}
until [ -e {FOLDER}/go ]; do sleep 0.2; done
java -Xmx128m -cp '{FOLDER}/jars/*' {perftest.MAIN_CLASS} "$@" > {FOLDER}/log 2>&1
echo $? > {FOLDER}/status
sleep 900
"""


@pytest.fixture(scope="module")
def running_plant(operator: Kube, images: Mapping[str, str]) -> Iterator[Kube]:
    """A plant in the middle of its day, an account for PerfTest, and the pod it will run in."""
    install.plant(operator, NAMESPACE, None)
    open_to_this_machine(operator, NAMESPACE)
    site = {
        "apiVersion": plant.API_VERSION,
        "kind": "NanoGrid",
        "metadata": {"name": SITE, "namespace": NAMESPACE},
        "spec": {"vppRef": {"name": plant.VPP}, "source": {"type": "Gateway"}, "load": {}},
    }
    operator.apply(site, pod(images["vpp-hdfs"]))
    wait_until(
        "PerfTest's account",
        lambda: "Ready=True" in operator.run("get", "nanogrid", SITE, "-n", NAMESPACE, "-o", READY),
        timeout_seconds=60,
        explain=lambda: f"see `kubectl -n {NAMESPACE} describe nanogrid {SITE}`",
    )
    wait_until(
        "the pod for PerfTest",
        lambda: operator.get("pod", POD, "-n", NAMESPACE)["status"]["phase"] == "Running",
        timeout_seconds=120,
        explain=lambda: f"see `kubectl -n {NAMESPACE} describe pod {POD}`",
    )
    operator.run("cp", "-n", NAMESPACE, str(perftest_jars()), f"{POD}:{FOLDER}/jars", timeout_seconds=120)
    yield operator
    install.remove(operator, NAMESPACE)


def pod(image: str) -> dict[str, Any]:
    """PerfTest's pod: an image that has Java, and the site's account from its Secret."""
    uri = f"amqp://$(USERNAME):$(PASSWORD)@{plant.CHANNELS}:5672/%2f"
    account = {"USERNAME": "username", "PASSWORD": "password"}
    container = {
        "name": "perftest",
        "image": image,
        "command": ["sh", "-c", SCRIPT, "sh", *perftest.arguments(uri, SITE, rate=RATE, seconds=SECONDS)],
        "env": [
            {"name": name, "valueFrom": {"secretKeyRef": {"name": f"{SITE}-gateway", "key": key}}}
            for name, key in account.items()
        ],
        "resources": {"limits": {"cpu": "500m", "memory": "384Mi"}, "requests": {"cpu": "50m", "memory": "128Mi"}},
    }
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD, "namespace": NAMESPACE}, "spec": spec}


def channels(kube: Kube) -> dict[str, Mapping[str, Any]]:
    """Return what status says of each channel."""
    status = kube.get("queuechannel", plant.CHANNELS, "-n", NAMESPACE)["status"]
    return {entry["name"]: entry for entry in status["channels"]}


def bring_second(kube: Kube, state: str, *, active: int, standby: int) -> None:
    """Tell the second channel what to be and wait until it is."""
    patch = json.dumps({"spec": {"pinned": active, "standby": standby}})
    kube.run("patch", "queuechannel", plant.CHANNELS, "-n", NAMESPACE, "--type=merge", "-p", patch)

    def reached() -> bool:
        found = channels(kube).get(SECOND, {})
        return found.get("state") == state and "fillingSince" not in found

    wait_until(
        f"{SECOND} {state}",
        reached,
        timeout_seconds=120,
        explain=lambda: f"it is {dict(channels(kube).get(SECOND, {}))}",
        interval_seconds=0.3,
    )


def in_pod(kube: Kube, *command: str) -> str:
    """Run a command in PerfTest's pod."""
    return kube.run("exec", "-n", NAMESPACE, POD, "--", *command, timeout_seconds=60)


def ended(kube: Kube) -> bool:
    """Tell whether PerfTest has ended."""
    try:
        return in_pod(kube, "cat", f"{FOLDER}/status").strip() != ""
    except DemoError:
        return False


def stored(kube: Kube) -> dict[str, list[int]]:
    """Return the time stamps of PerfTest's messages in each channel's stream."""
    secret = kube.get("secret", f"{plant.CHANNELS}-admin", "-n", NAMESPACE)["data"]
    username, password = (base64.b64decode(secret[key]).decode() for key in ("username", "password"))
    found = {}
    for name, entry in channels(kube).items():
        address = kube.get("pod", name, "-n", NAMESPACE)["status"]["podIP"]
        credentials = pika.PlainCredentials(username, password)
        parameters = pika.ConnectionParameters(address, credentials=credentials, socket_timeout=10)
        found[name] = list(perftest.stored_stamps(parameters, entry["stream"], SITE))
    return found


def test_what_perftest_has_confirmed_is_stored_while_a_channel_wakes_and_sleeps(running_plant: Kube) -> None:
    kube = running_plant
    in_pod(kube, "touch", f"{FOLDER}/go")
    started, cycles = time.monotonic(), 0
    while time.monotonic() - started < SECONDS - CYCLE_SECONDS or not cycles:
        bring_second(kube, "Standby", active=1, standby=1)
        bring_second(kube, "Active", active=2, standby=0)
        bring_second(kube, "Asleep", active=1, standby=0)
        cycles += 1
    cycled_seconds = time.monotonic() - started
    bring_second(kube, "Active", active=2, standby=0)  # its stream is read below
    wait_until(
        "PerfTest's end",
        lambda: ended(kube),
        timeout_seconds=SECONDS + 60,
        explain=lambda: in_pod(kube, "tail", "-n", "3", f"{FOLDER}/log"),
    )
    log = in_pod(kube, "cat", f"{FOLDER}/log")
    by_channel = stored(kube)
    account = compare(read_log(log.splitlines()), [stamp for stamps in by_channel.values() for stamp in stamps])
    record(account, by_channel, cycles, cycled_seconds)
    assert account.confirmed > 0.5 * RATE * perftest.PRODUCERS * SECONDS, "PerfTest hardly came to publish"
    assert all(by_channel.values()), f"both channels carry its messages: {account}"
    assert account.holds, str(account)
    assert account.refused == 0
    live.follow_day(kube, NAMESPACE, timeout_seconds=300)
    wait_until(
        "the twin's account of it",
        lambda: twin(kube)["poison"] == account.stored,
        timeout_seconds=60,
        explain=lambda: f"it has {twin(kube)} for {account.stored} stored messages",
    )
    readings = live.audit(kube, NAMESPACE)["readings"]
    assert (readings["lost"], readings["duplicated"], readings["phantom"]) == (0, 0, 0)


def twin(kube: Kube) -> Mapping[str, int]:
    """Return what the driver has counted."""
    found: Mapping[str, int] = live.progress(kube, NAMESPACE, live.DRIVER_POD, DRIVER_PORT).get("readings", {})
    return {"poison": -1, **found}


def record(account: Account, by_channel: Mapping[str, list[int]], cycles: int, seconds: float) -> None:
    """Write out/perftest.json."""
    document = {
        **asdict(account),
        "stored_by_channel": {name: len(stamps) for name, stamps in by_channel.items()},
        "wakes": cycles + 1,
        "sleeps": cycles,
        "seconds_of_waking_and_sleeping": round(seconds, 1),
        "arguments": perftest.arguments("amqp://…", SITE, rate=RATE, seconds=SECONDS),
    }
    OUT.mkdir(exist_ok=True)
    (OUT / "perftest.json").write_text(json.dumps(document, indent=2) + "\n")
