"""Follows a running plant: one line that tells how far it is, renewed in place on a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from vpp_contract.names import DRIVER_PORT, SIMULATOR_PORT
from vppdemo.kube import DemoError, Kube
from vppdemo.plant import CHANNELS, VPP

SIMULATOR_POD = f"{VPP}-simulator-0"
DRIVER_POD = f"{VPP}-driver-0"


class LiveLine:
    """Prints a line that replaces itself on a terminal, and every few seconds elsewhere."""

    def __init__(self, every_seconds: float = 5.0) -> None:
        """Prepare; prints nothing yet."""
        self._terminal = sys.stdout.isatty()
        self._every_seconds = every_seconds
        self._printed_at = -every_seconds

    def show(self, text: str) -> None:
        """Print the text, or not yet if the last one was a moment ago and this is no terminal."""
        if self._terminal:
            print(f"\r\x1b[2K  {text}", end="", flush=True)
        elif time.monotonic() - self._printed_at >= self._every_seconds:
            self._printed_at = time.monotonic()
            print(f"  {text}", flush=True)

    def end(self) -> None:
        """Leave the last line standing."""
        if self._terminal:
            print(flush=True)


def resources_line(kube: Kube, namespace: str) -> str:
    """Return one line on what is ready yet: pods, and each resource's Ready condition with its message."""
    pods = [pod for pod in kube.get("pods", "-n", namespace)["items"] if pod["status"].get("phase") != "Succeeded"]
    ready = sum(_condition(pod, "Ready").get("status") == "True" for pod in pods)
    parts = [f"{ready}/{len(pods)} pods ready"]
    for kind, name in (("vppcluster", VPP), ("queuechannel", CHANNELS)):
        condition = _condition(kube.get(kind, name, "-n", namespace), "Ready")
        parts.append(
            f"{name}: {'Ready' if condition.get('status') == 'True' else condition.get('reason', 'not seen yet')}"
        )
    return " | ".join(parts)


def _condition(document: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions: list[Mapping[str, Any]] = document.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), {})


def progress(kube: Kube, namespace: str, pod: str, port: int) -> Mapping[str, Any]:
    """Return a workload's own `/progress`; empty while it cannot be asked (it may be restarting)."""
    try:
        answer: Mapping[str, Any] = json.loads(kube.pod_http(namespace, pod, port, "/progress"))
    except (DemoError, ValueError):
        return {}
    return answer


def keeps_failing(kube: Kube, namespace: str, pod: str) -> str:
    """Return a sentence once a pod's program has failed three times by itself and waits; else nothing."""
    try:
        containers = kube.get("pod", pod, "-n", namespace)["status"].get("containerStatuses", [])
    except DemoError:
        return ""
    for container in containers:
        ended = container.get("lastState", {}).get("terminated", {})
        by_itself = 0 < ended.get("exitCode", 0) < 128  # beyond, it was killed
        if by_itself and container["restartCount"] >= 3 and "waiting" in container["state"]:
            said = (ended.get("message", "").strip() or "nothing").splitlines()[-1]
            return f"{pod} has failed {container['restartCount']} times and will again; it says: {said}"
    return ""


def audit(kube: Kube, namespace: str) -> dict[str, Any]:
    """Let the driver compare the gateways' ledger with the history, and the twin's energies with the source's.

    Raises:
        DemoError: it could not, or not within three minutes.
    """
    command = ("python", "-m", "vpp_workloads.streaming.audit", "--ledger-url", f"http://{VPP}-simulator:8091")
    text = kube.run("exec", "-n", namespace, DRIVER_POD, "--", *command, timeout_seconds=180)
    found: dict[str, Any] = json.loads(text)
    return found


def follow_day(kube: Kube, namespace: str, *, timeout_seconds: float) -> None:
    """Follow the simulated day until its last reading is confirmed and counted by the twin.

    Raises:
        DemoError: it did not end within the time, or the simulator keeps failing.
    """
    line = LiveLine()
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        sent = progress(kube, namespace, SIMULATOR_POD, SIMULATOR_PORT)
        twin = progress(kube, namespace, DRIVER_POD, DRIVER_PORT)
        accepted = twin.get("readings", {}).get("accepted", 0)
        clock = time.strftime("%d %b %H:%M", time.gmtime(sent.get("simulated_us", 0) / 1e6))
        line.show(
            f"plant time {clock} | sent {sent.get('created', 0):,} | confirmed {sent.get('confirmed', 0):,} | "
            f"in the twin {accepted:,} | batch {twin.get('batch_id', '-')} | {sent.get('state', 'simulator not up')}"
        )
        finished = sent.get("state") == "Finished" and sent["confirmed"] == sent["created"]
        if finished and accepted >= sent["confirmed"]:
            line.end()
            return
        if not sent and (reason := keeps_failing(kube, namespace, SIMULATOR_POD)):
            line.end()
            raise DemoError(reason)
        time.sleep(1.0)
    line.end()
    raise DemoError(
        f"the simulated day did not end within {timeout_seconds:g} s; "
        f"look at `kubectl -n {namespace} logs {DRIVER_POD}` and `kubectl -n {namespace} logs {SIMULATOR_POD}`"
    )
