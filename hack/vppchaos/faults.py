"""How faults are brought about: signals through a pod that shares the node's processes, deletions, brokers' alarms.

Only pods of the plant's own namespace and of the operator are touched.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vppchaos.schedule import Fault, Moment, Step, Wish
from vppdemo.install import OPERATOR_NAMESPACE
from vppdemo.kube import DemoError, Kube, wait_until
from vppdemo.plant import CHANNELS

SIGNALLER: Final = "signaller"
_CLAIM: Final = "persistentVolumeClaim"
_COMPONENT_LABEL: Final = "app.kubernetes.io/component"
_SEND: Final = """
import os, pathlib, signal, sys
names = (sys.argv[1], sys.argv[1].replace('-', '_'))
sent = 0
for folder in pathlib.Path('/proc').glob('[0-9]*'):
    try:
        groups, command = (folder / 'cgroup').read_text(), (folder / 'comm').read_text().strip()
        if command != 'pause' and any('pod' + name in groups for name in names):
            os.kill(int(folder.name), signal.Signals[sys.argv[2]])
            sent += 1
    except (OSError, ValueError):
        pass
print(sent)
"""
_ALARMS: Final = {
    Fault.MEMORY_ALARM: ("set_vm_memory_high_watermark", "absolute", "1MiB"),
    Fault.DISK_ALARM: ("set_disk_free_limit", "1000000GiB"),
}
_LIMITS: Final = {
    Fault.MEMORY_ALARM: ("vm_memory_high_watermark.absolute", ("set_vm_memory_high_watermark", "absolute")),
    Fault.DISK_ALARM: ("disk_free_limit.absolute", ("set_disk_free_limit",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A plant in its namespace, and the operator."""

    kube: Kube
    namespace: str

    def namespace_of(self, component: str) -> str:
        """Return where a component's pods are."""
        return OPERATOR_NAMESPACE if component == "operator" else self.namespace

    def pods(self, component: str) -> list[Mapping[str, Any]]:
        """Return a component's pods that are not on their way out."""
        where = self.namespace_of(component)
        found = self.kube.get("pods", "-n", where, "-l", f"{_COMPONENT_LABEL}={component}")["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def channels(self) -> list[Mapping[str, Any]]:
        """Return what the QueueChannel's status says of each channel."""
        status = self.kube.get("queuechannel", CHANNELS, "-n", self.namespace).get("status", {})
        found: list[Mapping[str, Any]] = status.get("channels", [])
        return found


def start_signaller(target: Target, image: str) -> None:
    """Start the pod that sends signals; it goes with the namespace."""
    container = {
        "name": "signaller",
        "image": image,
        "command": ["sleep", "86400"],
        "securityContext": {"privileged": True, "runAsUser": 0},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": SIGNALLER, "namespace": target.namespace},
        "spec": {"hostPID": True, "terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    target.kube.apply(pod)
    target.kube.run("wait", "--for=condition=Ready", f"pod/{SIGNALLER}", "-n", target.namespace, "--timeout=60s")


def scale(target: Target, wish: Wish) -> None:
    """Pin the number of active channels and set those that stand by."""
    patch = f'{{"spec":{{"pinned":{wish.active},"standby":{wish.standby}}}}}'
    target.kube.run("patch", "queuechannel", CHANNELS, "-n", target.namespace, "--type=merge", "-p", patch)


def is_moment(moment: Moment, channels: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether a moment of a transition has come, by what `status` says of the channels."""
    if moment is Moment.ANY:
        return True
    if moment is Moment.FILLING:
        return any("fillingSince" in channel for channel in channels)
    if moment is Moment.MARKED:
        return any(channel["state"] == "Draining" and "markerOffset" in channel for channel in channels)
    states = ("Starting", "Waking") if moment is Moment.WAKING else (moment,)
    return any(channel["state"] in states for channel in channels)


def wait_for_moment(target: Target, moment: Moment, timeout_seconds: float) -> bool:
    """Wait for a moment; False where it did not come (it may have been too short to be seen)."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        try:
            if is_moment(moment, target.channels()):
                return True
        except DemoError:
            pass  # the API server is busy; it is asked again
        time.sleep(0.1)
    return False


def victim(target: Target, step: Step) -> Mapping[str, Any] | None:
    """Return the pod that a fault falls on: of channels one that is in the moment, where there is one."""
    pods = sorted(target.pods(step.component), key=lambda pod: str(pod["metadata"]["name"]))
    if step.component == "channel":
        moved = [one["name"] for one in target.channels() if is_moment(step.moment, [one])]
        pods = [pod for pod in pods if pod["metadata"]["name"] in moved] or pods
    return pods[-1] if pods else None


def bring_about(target: Target, step: Step, pod: Mapping[str, Any]) -> str:
    """Do a step's fault to a pod; return what was done, in words.

    Raises:
        DemoError: it could not be done.
    """
    name, where = pod["metadata"]["name"], target.namespace_of(step.component)
    if step.fault is Fault.KILL:
        return f"{_signal(target, pod, 'SIGKILL')} processes killed"
    if step.fault is Fault.FREEZE:
        count = _signal(target, pod, "SIGSTOP")
        time.sleep(step.fault_seconds)
        _signal(target, pod, "SIGCONT", needed=False)
        return f"{count} processes stood still for {step.fault_seconds:g} s"
    if step.fault in _ALARMS:
        _alarm(target, step, pod)
        return f"publishers blocked for {step.fault_seconds:g} s"
    if step.fault is Fault.LOSE_VOLUME:
        claims = [volume["persistentVolumeClaim"]["claimName"] for volume in pod["spec"]["volumes"] if _CLAIM in volume]
        target.kube.run("delete", "persistentvolumeclaim", *claims, "-n", where, "--wait=false")
        target.kube.run("delete", "pod", name, "-n", where, "--wait=false", "--grace-period=0", "--force")
        return f"pod deleted with its volume {', '.join(claims)}"
    grace = () if step.fault is Fault.RESTART else ("--grace-period=0", "--force")
    target.kube.run("delete", "pod", name, "-n", where, "--wait=false", *grace)
    return "pod deleted"


def _signal(target: Target, pod: Mapping[str, Any], name: str, *, needed: bool = True) -> int:
    send = ("exec", "-n", target.namespace, SIGNALLER, "--", "python", "-c", _SEND, pod["metadata"]["uid"], name)
    sent = int(target.kube.run(*send))
    if needed and not sent:
        raise DemoError(f"{pod['metadata']['name']} has no process to send {name} to")
    return sent


def _alarm(target: Target, step: Step, pod: Mapping[str, Any]) -> None:
    name, where = pod["metadata"]["name"], target.namespace_of(step.component)
    limits = target.kube.get("configmap", name.rpartition("-")[0], "-n", where)["data"]["rabbitmq.conf"]
    setting, command = _LIMITS[step.fault]
    configured = re.search(rf"^{re.escape(setting)} = (\S+)$", limits, flags=re.MULTILINE)
    if configured is None:
        raise DemoError(f"rabbitmq.conf of {name} says nothing of {setting}")
    rabbitmqctl = ("exec", "-n", where, name, "--", "rabbitmqctl", "--quiet")
    target.kube.run(*rabbitmqctl, *_ALARMS[step.fault])
    time.sleep(step.fault_seconds)
    target.kube.run(*rabbitmqctl, *command, configured[1])


def wait_for_recovery(target: Target, component: str, timeout_seconds: float) -> float:
    """Wait until a component's pods are all ready, and return for how long.

    Raises:
        DemoError: they are not within the time.
    """

    def ready() -> bool:
        pods = target.pods(component)
        return bool(pods) and all(
            any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
            for pod in pods
        )

    started = time.monotonic()
    time.sleep(1.0)  # the kubelet tells of a death a moment later
    wait_until(
        f"the return of the {component}",
        ready,
        timeout_seconds=timeout_seconds,
        explain=lambda: f"`kubectl -n {target.namespace_of(component)} get pods` says what is missing;",
    )
    return time.monotonic() - started
