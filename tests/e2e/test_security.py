"""In the middle of a day a site's account rotates and then all ports turn to TLS; not a reading is lost on the way."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.running_day import finish_without_loss, wait_for_more_readings
from vppdemo import install, live, plant
from vppdemo.kube import DemoError, Kube, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1500)]  # a day of two minutes, and the kubelet's two for a Secret
NAMESPACE = "vpp-e2e-security"
CHANNEL = f"{plant.CHANNELS}-0"
SECRET_SECONDS = 240.0


@pytest.fixture(scope="module")
def running_plant(operator: Kube, data_folder: Path | None) -> Iterator[Kube]:
    """A plant in the middle of its day; removed with its volumes afterwards."""
    install.plant(operator, NAMESPACE, data_folder)
    yield operator
    install.remove(operator, NAMESPACE)


def rabbitmqctl(kube: Kube, *command: str) -> list[list[str]]:
    """Return the lines of a list on the channel's broker, as words."""
    told = kube.run("exec", "-n", NAMESPACE, CHANNEL, "--", "rabbitmqctl", "--quiet", "--no-table-headers", *command)
    return [line.split() for line in told.splitlines() if line.strip()]


def patch(kube: Kube, kind: str, name: str, spec: object) -> None:
    kube.run("patch", kind, name, "-n", NAMESPACE, "--type=merge", "-p", json.dumps({"spec": spec}))


def simulator_uid(kube: Kube) -> str:
    return str(kube.get("pod", live.SIMULATOR_POD, "-n", NAMESPACE)["metadata"]["uid"])


def test_an_account_rotates_and_tls_comes_and_nothing_is_lost(running_plant: Kube) -> None:
    kube = running_plant
    wait_for_more_readings(kube, NAMESPACE)
    uid = simulator_uid(kube)
    site = str(kube.get("nanogrids", "-n", NAMESPACE)["items"][0]["metadata"]["name"])
    patch(kube, "nanogrid", site, {"source": {"credentials": {"generation": 2, "graceSeconds": 5}}})
    _wait_for_rotation(kube, site)
    users = {words[0] for words in rabbitmqctl(kube, "list_users")}
    assert f"site-{site}.g2" in users
    assert f"site-{site}" not in users
    secret = kube.get("secret", f"{site}-gateway", "-n", NAMESPACE)["data"]
    assert base64.b64decode(secret["username"]).decode() == f"site-{site}.g2"

    vpp = str(kube.get("vppclusters", "-n", NAMESPACE)["items"][0]["metadata"]["name"])
    patch(kube, "vppcluster", vpp, {"tls": {}})
    _wait_for_tls(kube)
    assert simulator_uid(kube) == uid, "gateways take up account, ports and authority while they run"
    finish_without_loss(kube, NAMESPACE)
    connections = rabbitmqctl(kube, "list_connections", "user", "ssl")
    assert {words[1] for words in connections} == {"true"}


def _wait_for_rotation(kube: Kube, site: str) -> None:
    def status() -> object:
        return kube.get("nanogrid", site, "-n", NAMESPACE)["status"]["credentials"]

    wait_until(
        f"the end of the rotation of {site}",
        lambda: status() == {"generation": 2},
        timeout_seconds=SECRET_SECONDS,
        explain=lambda: f"it is {status()}",
    )


def _wait_for_tls(kube: Kube) -> None:
    """Wait until every site that is connected to the channel, and that is all of them, is so by TLS."""
    sites = len(kube.get("nanogrids", "-n", NAMESPACE)["items"])

    def connected() -> list[list[str]]:
        try:
            return [words for words in rabbitmqctl(kube, "list_connections", "user", "ssl") if "site-" in words[0]]
        except DemoError:
            return []  # its pod is being renewed

    wait_until(
        "connections of all sites with TLS",
        lambda: len({words[0] for words in connected()}) == sites and all(words[1] == "true" for words in connected()),
        timeout_seconds=SECRET_SECONDS,
        explain=lambda: f"there are {connected()}",
    )
