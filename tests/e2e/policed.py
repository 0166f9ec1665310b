"""Pods that knock at other pods' ports, and what they found open."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.e2e.running_day import COMPONENT
from vppdemo.kube import Kube, wait_until

OPEN_PORT: Final = 8000
"""A knocker's own port, on which it answers everybody."""
Door = tuple[str, int]
"""A component and a port of its pods."""

_ANSWER: Final = ("python", "-m", "http.server", "--directory", "/tmp", str(OPEN_PORT))
# A packet filter refuses at once or lets the caller wait; two seconds are long for neighbours on one network.
_KNOCK: Final = """
import concurrent.futures, json, socket, sys
def opens(door):
    try:
        socket.create_connection(door, timeout=2).close()
    except OSError:
        return False
    return True
doors = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(max_workers=64) as pool:
    found = list(pool.map(opens, map(tuple, doors)))
print(json.dumps([door for door, is_open in zip(doors, found) if is_open]))
"""


@dataclass(frozen=True)
class Knocker:
    """A running pod with Python in it."""

    kube: Kube
    namespace: str
    pod: str

    def reaches(self, doors: Mapping[Door, Collection[str]]) -> set[Door]:
        """Return the doors that open, of those whose addresses are given; several pods of a component count once."""
        asked = sorted((address, port) for (_, port), addresses in doors.items() for address in addresses)
        command = ("exec", "-n", self.namespace, self.pod, "--", "python", "-c", _KNOCK, json.dumps(asked))
        opened = {tuple(door) for door in json.loads(self.kube.run(*command, timeout_seconds=60))}
        return {
            (component, port)
            for (component, port), addresses in doors.items()
            if any((address, port) in opened for address in addresses)
        }

    def wait_until_reaches(self, expected: Collection[Door], doors: Mapping[Door, Collection[str]]) -> None:
        """Wait until exactly these doors open: a network enforces a policy a moment after it was written."""
        found: list[set[Door]] = [set()]

        def as_expected() -> bool:
            found.append(self.reaches(doors))
            return found[-1] == set(expected)

        wait_until(
            f"what {self.namespace}/{self.pod} may reach",
            as_expected,
            timeout_seconds=40,
            explain=lambda: (
                f"open though forbidden: {sorted(found[-1] - set(expected))}, "
                f"shut though allowed: {sorted(set(expected) - found[-1])};"
            ),
        )


def start_knockers(
    kube: Kube, image: str, wanted: Iterable[tuple[str, str, Mapping[str, str]]]
) -> Mapping[str, Knocker]:
    """Start a pod for each (namespace, name, labels), wait for all, and return them by name."""
    listed = list(wanted)
    kube.apply(*(_pod(image, *one) for one in listed))
    for namespace, name, _ in listed:
        kube.run("wait", "--for=condition=Ready", f"pod/{name}", "-n", namespace, "--timeout=60s", timeout_seconds=90)
    return {name: Knocker(kube, namespace, name) for namespace, name, _ in listed}


def _pod(image: str, namespace: str, name: str, labels: Mapping[str, str]) -> Mapping[str, Any]:
    container = {
        "name": "knocker",
        "image": image,
        "command": list(_ANSWER),
        "readinessProbe": {"tcpSocket": {"port": OPEN_PORT}, "periodSeconds": 1},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"test": name, **labels}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }


def own_door(knocker: Knocker) -> dict[Door, list[str]]:
    """Return the door of a knocker itself."""
    return {(knocker.pod, OPEN_PORT): [address(knocker.kube, knocker.namespace, knocker.pod)]}


def address(kube: Kube, namespace: str, pod: str) -> str:
    """Return a pod's address."""
    return str(kube.get("pod", pod, "-n", namespace)["status"]["podIP"])


def declared_doors(kube: Kube, namespace: str, selector: str) -> dict[Door, list[str]]:
    """Return every port that the pods of a selector declare, by component, with the addresses of these pods."""
    doors: dict[Door, list[str]] = {}
    for pod in kube.get("pods", "-n", namespace, "-l", selector)["items"]:
        component = pod["metadata"]["labels"][COMPONENT]
        for container in pod["spec"]["containers"]:
            for port in container.get("ports", []):
                doors.setdefault((component, port["containerPort"]), []).append(pod["status"]["podIP"])
    return doors
