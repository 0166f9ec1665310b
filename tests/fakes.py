"""In-memory twins of `vpp_operator.ports`: they keep state and count writes, and answer as the real servers do.

`World` is a small cluster: StatefulSets get pods, pods get addresses and brokers, and deleting an owner deletes what it
owns. Tests change the world, look at the plant, and assert the state it ends in.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vpp_contract.names import TOPOLOGY_STREAM
from vpp_contract.topology import Topology
from vpp_operator.adapters.certificates import X509Certificates
from vpp_operator.errors import NotReady, Unavailable
from vpp_operator.ports import (
    ALL_KINDS,
    BrokerAddress,
    Conflict,
    Connection,
    DriverProgress,
    InfluxAddress,
    Kind,
    Manifest,
    Ports,
    Refused,
    ServerIdentity,
    StreamExtent,
)
from vpp_operator.reconcile.definitions import password_hash

Key = tuple[str, str, str]
"""Kind, namespace, name."""


class FakeClock:
    """A clock that tests set."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeRandomness:
    """Values that differ from each other and are the same in every run."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def password(self) -> str:
        return f"password-{next(self._numbers)}"

    def stream_id(self) -> str:
        return f"{next(self._numbers):010x}"


def merge(target: dict[str, Any], patch: Mapping[str, Any]) -> None:
    """Apply a JSON merge patch in place."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, Mapping) and isinstance(target.get(name), dict):
            merge(target[name], value)
        else:
            target[name] = copy.deepcopy(value)


class FakeKubernetes:
    """An API server. `refuse` makes it refuse what a test chooses."""

    def __init__(self) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.writes: Counter[str] = Counter()
        self.refuse: Callable[[Manifest], str] = lambda _: ""
        self.down = False
        self._numbers = itertools.count(1)

    def add(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Put an object there as somebody else would."""
        made = copy.deepcopy(dict(manifest))
        metadata = made["metadata"]
        metadata.setdefault("uid", f"uid-{next(self._numbers)}")
        metadata.setdefault("generation", 1)
        metadata["resourceVersion"] = str(next(self._numbers))
        self.objects[made["kind"], metadata["namespace"], metadata["name"]] = made
        return made

    def there(self, kind: str, name: str, namespace: str = "plants") -> dict[str, Any]:
        """Return an object that must be there."""
        return self.objects[kind, namespace, name]

    def names(self, kind: str) -> list[str]:
        """Return the names of all objects of a kind."""
        return sorted(name for kind_name, _, name in self.objects if kind_name == kind)

    def remove(self, kind: str, name: str, namespace: str = "plants") -> None:
        """Delete an object as somebody else would: finalizers hold it, dependents go with it."""
        key = (kind, namespace, name)
        found = self.objects.get(key)
        if found is None:
            return
        if found["metadata"].get("finalizers"):
            found["metadata"].setdefault("deletionTimestamp", "2026-01-01T00:00:00Z")
            return
        del self.objects[key]
        uid = found["metadata"]["uid"]
        for (other_kind, other_namespace, other), document in list(self.objects.items()):
            if any(owner["uid"] == uid for owner in document["metadata"].get("ownerReferences", ())):
                self.remove(other_kind, other, other_namespace)

    async def list(
        self, kind: Kind, namespace: str | None, selector: str = "", *, fields: str = ""
    ) -> Sequence[Manifest]:
        self._answer()
        return [
            copy.deepcopy(document)
            for (kind_name, object_namespace, _), document in sorted(self.objects.items())
            if kind_name == kind.kind
            and namespace in (None, object_namespace)
            and _selected(document["metadata"].get("labels", {}), selector)
            and all(_has_field(document, field) for field in fields.split(",") if field)
        ]

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        self._answer()
        return copy.deepcopy(self.objects.get((kind.kind, namespace, name)))

    async def apply(self, manifest: Manifest) -> Manifest:
        self._answer()
        if reason := self.refuse(manifest):
            raise Refused(reason)
        metadata = manifest["metadata"]
        self.writes[manifest["kind"]] += 1
        before = self.objects.get((manifest["kind"], metadata["namespace"], metadata["name"]))
        if before is None:
            return self.add(manifest)
        made = copy.deepcopy(dict(manifest))
        kept = {name: before["metadata"][name] for name in ("uid", "generation") if name in before["metadata"]}
        made["metadata"] = {**made["metadata"], **kept}
        if "status" in before:
            made["status"] = before["status"]
        if before.get("spec") != made.get("spec"):
            made["metadata"]["generation"] = kept.get("generation", 1) + 1
        return self.add(made)

    async def create(self, manifest: Manifest) -> Manifest:
        self._answer()
        metadata = dict(manifest["metadata"])
        name = metadata.get("name") or f"{metadata['generateName']}{next(self._numbers)}"
        if (manifest["kind"], metadata["namespace"], name) in self.objects:
            raise Conflict(f"{name} already exists")
        self.writes[manifest["kind"]] += 1
        return self.add({**manifest, "metadata": {**metadata, "name": name}})

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Manifest, *, subresource: str = ""
    ) -> Manifest | None:
        self._answer()
        found = self.objects.get((kind.kind, namespace, name))
        if found is None:
            return None
        version = patch.get("metadata", {}).get("resourceVersion")
        if version not in (None, found["metadata"]["resourceVersion"]):
            raise Conflict(f"{name} has changed")
        self.writes[f"{kind.kind}/{subresource}" if subresource else kind.kind] += 1
        merge(found, {name: value for name, value in patch.items() if not subresource or name == subresource})
        found["metadata"]["resourceVersion"] = str(next(self._numbers))
        if "deletionTimestamp" in found["metadata"] and not found["metadata"].get("finalizers"):
            self.remove(kind.kind, name, namespace)
        return copy.deepcopy(found)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "") -> None:
        self._answer()
        found = self.objects.get((kind.kind, namespace, name))
        if found is not None and uid in ("", found["metadata"]["uid"]):
            self.writes[kind.kind] += 1
            self.remove(kind.kind, name, namespace)

    def _answer(self) -> None:
        if self.down:
            raise Unavailable("Kubernetes", "the API server does not answer")


def _has_field(document: Manifest, wanted: str) -> bool:
    """Tell whether an object has a field's value, such as `involvedObject.kind=StatefulSet`."""
    path, _, value = wanted.partition("=")
    found: Any = document
    for name in path.split("."):
        found = found.get(name, {})
    return bool(found == value)


def _selected(labels: Mapping[str, str], selector: str) -> bool:
    for term in filter(None, selector.split(",")):
        name, _, value = term.partition("=")
        if term.startswith("!"):
            if term[1:] in labels:
                return False
        elif labels.get(name) != value:
            return False
    return True


@dataclass(slots=True)
class FakeBroker:
    """One RabbitMQ server: its definitions, and how many messages its streams hold."""

    definitions: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {
            name: []
            for name in ("users", "permissions", "topic_permissions", "exchanges", "queues", "bindings", "policies")
        }
    )
    messages: dict[str, int] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    topologies: list[Topology] = field(default_factory=list)
    policies_set: list[Mapping[str, Any]] = field(default_factory=list)
    connections: dict[str, str] = field(default_factory=dict)
    """Name -> account."""
    writes: int = 0
    down: bool = False

    def names(self, section: str) -> list[str]:
        """Return the names of one section's items."""
        return sorted(item["name"] for item in self.definitions[section])

    def drop(self, section: str, name: str) -> None:
        """Remove an item as somebody else would."""
        self.definitions[section] = [item for item in self.definitions[section] if item.get("name") != name]


_IDENTITIES = {
    "users": ("name",),
    "permissions": ("user",),
    "topic_permissions": ("user", "exchange"),
    "exchanges": ("name",),
    "queues": ("name",),
    "bindings": ("source", "destination", "routing_key"),
}


class FakeBrokers:
    """All brokers by host name or address."""

    def __init__(self) -> None:
        self.by_host: dict[str, FakeBroker] = {}
        self.accounts: dict[str, tuple[str, str]] = {}
        self.identities: dict[str, ServerIdentity | None] = {}
        """What each had to prove when it was last spoken to, by host."""

    def at(self, host: str) -> FakeBroker:
        """Return a broker, new and empty at first."""
        return self.by_host.setdefault(host, FakeBroker())

    def _at(self, address: BrokerAddress) -> FakeBroker:
        broker = self.at(address.host)
        self.identities[address.host] = address.tls
        if broker.down:
            raise Unavailable("RabbitMQ", f"{address.host} does not answer")
        known = self.accounts.setdefault(address.host, (address.username, address.password))
        if known != (address.username, address.password):
            raise Unavailable("RabbitMQ", f"{address.host} refuses the account {address.username}")
        return broker

    async def definitions(self, at: BrokerAddress) -> Manifest:
        return copy.deepcopy(self._at(at).definitions)

    async def import_definitions(self, at: BrokerAddress, definitions: Manifest) -> None:
        broker = self._at(at)
        broker.writes += 1
        for section, items in definitions.items():
            for item in items:
                new = copy.deepcopy(dict(item))
                if section == "users" and "password" in new:
                    new["password_hash"] = password_hash(new.pop("password"), b"salt")
                same = _identity(section, new)
                kept = [other for other in broker.definitions[section] if _identity(section, other) != same]
                broker.definitions[section] = [*kept, new]

    async def remove(self, at: BrokerAddress, path: Sequence[str]) -> None:
        broker = self._at(at)
        broker.writes += 1
        if path[0] == "connections":
            broker.connections.pop(path[-1], None)
            return
        broker.drop(path[0], path[-1])
        if path[0] == "users":
            for section in ("permissions", "topic_permissions"):
                items = broker.definitions[section]
                broker.definitions[section] = [item for item in items if item["user"] != path[-1]]

    async def stream(self, at: BrokerAddress, name: str) -> StreamExtent | None:
        broker = self._at(at)
        if name not in broker.names("queues"):
            return None
        messages = broker.messages.get(name, 0)
        return StreamExtent(messages=messages, bytes=messages * 100, segments=1 + messages // 1000)

    async def set_policy(self, at: BrokerAddress, name: str, policy: Manifest) -> None:
        broker = self._at(at)
        broker.writes += 1
        broker.policies_set.append(policy)
        broker.definitions["policies"].append({**policy, "name": name, "vhost": "/"})

    async def first_offset(self, at: BrokerAddress, stream: str) -> int | None:
        broker = self._at(at)
        return broker.first.get(stream, 0) if broker.messages.get(stream) else None

    async def tail_offset(self, at: BrokerAddress, stream: str) -> int | None:
        broker = self._at(at)
        return broker.first.get(stream, 0) + broker.messages[stream] if broker.messages.get(stream) else None

    async def mark_end(self, at: BrokerAddress, stream: str) -> int:
        broker = self._at(at)
        broker.writes += 1
        broker.messages[stream] = broker.messages.get(stream, 0) + 1
        return broker.first.get(stream, 0) + broker.messages[stream] - 1

    async def connections(self, at: BrokerAddress) -> Sequence[Connection]:
        return [Connection(name=name, username=user) for name, user in self._at(at).connections.items()]

    async def publish_topology(self, at: BrokerAddress, topology: Topology) -> None:
        broker = self._at(at)
        if TOPOLOGY_STREAM not in broker.names("queues"):
            raise Unavailable("RabbitMQ", "no stream topology")
        broker.writes += 1
        broker.topologies.append(topology)


def _identity(section: str, item: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(item.get(name) for name in _IDENTITIES[section])


class FakeInflux:
    """InfluxDB servers by URL: the token each takes, None before the first setup."""

    def __init__(self) -> None:
        self.tokens: dict[str, str | None] = {}
        self.passwords: dict[str, str] = {}
        self.buckets: dict[str, str] = {}
        self.down = False
        self.recovered = 0

    async def set_up(self, at: InfluxAddress, *, username: str, password: str) -> bool:
        del username
        self._answer(at)
        if self.tokens.get(at.url) is not None:
            return False
        self.tokens[at.url], self.passwords[at.url], self.buckets[at.url] = at.token, password, at.bucket
        return True

    async def check(self, at: InfluxAddress) -> None:
        self._answer(at)
        if self.tokens.get(at.url) != at.token:
            raise NotReady("InfluxUnauthorized", f"InfluxDB at {at.url} refuses the token")
        if self.buckets.get(at.url) != at.bucket:
            raise NotReady("InfluxBucketMissing", f"InfluxDB at {at.url} has no bucket {at.bucket}")

    async def recover_token(self, at: InfluxAddress, *, username: str, password: str) -> str:
        del username
        self._answer(at)
        if self.passwords.get(at.url) != password:
            raise NotReady("InfluxUnauthorized", "wrong password")
        self.recovered += 1
        token = f"recovered-{self.recovered}"
        self.tokens[at.url] = token
        return token

    def _answer(self, at: InfluxAddress) -> None:
        if self.down:
            raise Unavailable("InfluxDB", f"{at.url} does not answer")


class FakeSpark:
    """The streaming driver; None does not answer."""

    def __init__(self) -> None:
        self.driver: DriverProgress | None = None

    async def progress(self, url: str) -> DriverProgress:
        if self.driver is None:
            raise Unavailable("Spark", f"{url} does not answer")
        return self.driver


def running(**values: Any) -> DriverProgress:
    """Return what a running driver says of itself."""
    said: dict[str, Any] = {
        "state": "Running",
        "reason": "",
        "query_id": "q",
        "batch_id": 0,
        "committed": {},
        "planned_us": {},
        "topology_generation": 1,
    }
    return DriverProgress(**(said | values))


class World:
    """A cluster in memory with everything a plant talks to."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.kubernetes = FakeKubernetes()
        self.brokers = FakeBrokers()
        self.influx = FakeInflux()
        self.spark = FakeSpark()
        self.ports = Ports(
            kubernetes=self.kubernetes,
            brokers=self.brokers,
            influx=self.influx,
            spark=self.spark,
            certificates=X509Certificates(),
            clock=self.clock,
            randomness=FakeRandomness(),
        )
        self._addresses = itertools.count(1)
        self._volumes: dict[tuple[str, str], FakeBroker] = {}

    def lose_volume(self, pod: str, namespace: str = "plants") -> None:
        """Let a pod and its volume vanish."""
        self._volumes.pop((namespace, pod), None)
        self.kubernetes.remove("PersistentVolumeClaim", f"data-{pod}", namespace)
        self.kubernetes.remove("Pod", pod, namespace)

    def run_stateful_sets(self) -> None:
        """Do what the StatefulSet controller and the kubelet do: pods of the current template, ready at once."""
        for (kind, namespace, name), live in list(self.kubernetes.objects.items()):
            if kind != "StatefulSet":
                continue
            revision = hashlib.sha256(repr(live["spec"]["template"]).encode()).hexdigest()[:10]
            replicas = live["spec"]["replicas"]
            for ordinal in itertools.count():
                pod = f"{name}-{ordinal}"
                exists = ("Pod", namespace, pod) in self.kubernetes.objects
                if ordinal >= replicas and not exists:
                    break
                if ordinal >= replicas:
                    self.kubernetes.remove("Pod", pod, namespace)
                elif not exists:
                    self._start(live, pod, revision)
                    self._claims(live, pod)
            live["status"] = {"replicas": replicas, "readyReplicas": replicas, "updateRevision": revision}

    def host(self, pod: str, namespace: str = "plants") -> str:
        """Return a pod's address."""
        return str(self.kubernetes.there("Pod", pod, namespace)["status"]["podIP"])

    def broker(self, pod: str) -> FakeBroker:
        """Return the broker in a pod."""
        return self.brokers.at(self.host(pod))

    def _start(self, live: Mapping[str, Any], pod: str, revision: str) -> None:
        metadata, template = live["metadata"], live["spec"]["template"]
        address = f"10.0.0.{next(self._addresses)}"
        # A broker's state is on its volume: another pod on the same volume is the same broker at another address.
        self.brokers.by_host[address] = self._volumes.setdefault((metadata["namespace"], pod), FakeBroker())
        self.kubernetes.add(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": pod,
                    "namespace": metadata["namespace"],
                    "labels": {**template["metadata"]["labels"], "controller-revision-hash": revision},
                    "annotations": template["metadata"].get("annotations", {}),
                    "ownerReferences": [{"uid": metadata["uid"], "kind": "StatefulSet", "name": metadata["name"]}],
                },
                "status": {"podIP": address, "conditions": [{"type": "Ready", "status": "True"}]},
            }
        )

    def _claims(self, live: Mapping[str, Any], pod: str) -> None:
        for claim in live["spec"]["volumeClaimTemplates"]:
            name = f"{claim['metadata']['name']}-{pod}"
            namespace = live["metadata"]["namespace"]
            if ("PersistentVolumeClaim", namespace, name) not in self.kubernetes.objects:
                metadata = {"name": name, "namespace": namespace, "labels": claim["metadata"]["labels"]}
                self.kubernetes.add({**claim, "metadata": metadata})


KINDS = {kind.kind: kind for kind in ALL_KINDS}
