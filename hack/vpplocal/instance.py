"""Which node is meant: its identity, folders and addresses, all derived from the checkout's path."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
STATE_FOLDER = Path("/var/lib/vpp-local")
_SHARED_SPACE = ipaddress.IPv4Network("100.64.0.0/10")  # RFC 6598: neither public nor a usual private network
Network = ipaddress.IPv4Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One local node. `network` is a /21: the link to the host, the pods and the services are parts of it."""

    id: str
    network: Network

    @property
    def state(self) -> Path:
        """Folder of everything the node keeps on disk."""
        return STATE_FOLDER / self.id

    @property
    def cgroup(self) -> str:
        """Name of the node's cgroup in every hierarchy."""
        return f"vpp-local-{self.id}"

    @property
    def host_link(self) -> str:
        """Name of the host's end of the link."""
        return f"vpp{self.id}"

    @property
    def link_network(self) -> Network:
        return _part(self.network, 24, 0)

    @property
    def host_address(self) -> str:
        return str(self.link_network[1])

    @property
    def node_address(self) -> str:
        return str(self.link_network[2])

    @property
    def service_network(self) -> Network:
        return _part(self.network, 24, 1)

    @property
    def kubernetes_service(self) -> str:
        return str(self.service_network[1])

    @property
    def dns_service(self) -> str:
        return str(self.service_network[10])

    @property
    def pod_network(self) -> Network:
        return _part(self.network, 22, 1)

    @property
    def api_server(self) -> str:
        """URL of the API server."""
        return f"https://{self.node_address}:6443"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig inside the state folder."""
        return self.state / "lib" / "node" / "admin.kubeconfig"

    @property
    def supervisor_file(self) -> Path:
        """Holds the supervisor's process id as the host sees it."""
        return self.state / "supervisor.pid"


def _part(network: Network, prefix: int, index: int) -> Network:
    return list(network.subnets(new_prefix=prefix))[index]


def kubeconfig_file() -> Path:
    """Return where users and tools look for the kubeconfig: out/kubeconfig, or what VPP_LOCAL_KUBECONFIG says."""
    return Path(os.environ.get("VPP_LOCAL_KUBECONFIG") or CHECKOUT / "out" / "kubeconfig")


def instance_id(checkout: Path) -> str:
    """Return the identity of a checkout's node: eight digits of its path's hash, or what VPP_LOCAL_ID says."""
    return os.environ.get("VPP_LOCAL_ID") or hashlib.sha256(str(checkout).encode()).hexdigest()[:8]


def choose_network(identity: str, taken: Iterable[Network]) -> Network:
    """Return a /21 that overlaps none of those taken, starting where the identity's hash points.

    Raises:
        ValueError: every one is taken.
    """
    candidates: list[Network] = list(_SHARED_SPACE.subnets(new_prefix=21))
    start = int(hashlib.sha256(identity.encode()).hexdigest(), 16) % len(candidates)
    in_use = list(taken)
    for offset in range(len(candidates)):
        candidate = candidates[(start + offset) % len(candidates)]
        if not any(candidate.overlaps(network) for network in in_use):
            return candidate
    raise ValueError(f"every /21 of {_SHARED_SPACE} is in use")


def saved_instance(identity: str) -> Instance | None:
    """Return the instance whose state is on disk, None where there is none."""
    file = STATE_FOLDER / identity / "instance.json"
    try:
        network = json.loads(file.read_text())["network"]
    except (OSError, ValueError, KeyError):
        return None
    return Instance(id=identity, network=ipaddress.IPv4Network(network))


def save_instance(instance: Instance) -> None:
    """Keep the instance's addresses, so that every later command finds the same ones."""
    instance.state.mkdir(parents=True, exist_ok=True)
    (instance.state / "instance.json").write_text(json.dumps({"network": str(instance.network)}))
