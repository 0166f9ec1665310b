"""Tests and benchmarks on this machine talk to pods directly, which a plant's network policies rightly refuse."""

from __future__ import annotations

import socket

from vppdemo.kube import Kube


def open_to_this_machine(kube: Kube, namespace: str) -> None:
    """Let this machine, and nobody else, reach every pod of a namespace; policies add up."""
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "this-machine", "namespace": namespace},
        "spec": {
            "podSelector": {},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"ipBlock": {"cidr": f"{_own_address(kube)}/32"}}]}],
        },
    }
    kube.apply(policy)


def _own_address(kube: Kube) -> str:
    """Return the address under which pods know this machine: that of its route to one of them."""
    addresses = [pod["status"].get("podIP") for pod in kube.get("pods", "-A")["items"]]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect((next(address for address in addresses if address), 9))  # sends nothing
        return str(asking.getsockname()[0])
