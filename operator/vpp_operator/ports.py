"""What the operator needs from the world, as Protocols and the plain values that cross them.

Adapters implement these against real servers, `tests/fakes.py` in memory. Every method has a deadline of its own and
raises only `VPPError`s: `Unavailable` for a server that does not answer, `NotReady` for one that is not that far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vpp_contract.topology import Topology
from vpp_operator.errors import VPPError

Manifest = Mapping[str, Any]
"""A Kubernetes object as JSON."""


class Refused(VPPError):  # noqa: N818 - named like its siblings in errors
    """The API server understood a request and refuses it; the text is its own."""

    reason = "Refused"


class Conflict(VPPError):  # noqa: N818
    """Somebody else was faster: the object changed or exists already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of Kubernetes object and where its collection is found."""

    api_version: str
    kind: str
    plural: str


STATEFUL_SET: Final = Kind(api_version="apps/v1", kind="StatefulSet", plural="statefulsets")
SERVICE: Final = Kind(api_version="v1", kind="Service", plural="services")
CONFIG_MAP: Final = Kind(api_version="v1", kind="ConfigMap", plural="configmaps")
SECRET: Final = Kind(api_version="v1", kind="Secret", plural="secrets")
DISRUPTION_BUDGET: Final = Kind(api_version="policy/v1", kind="PodDisruptionBudget", plural="poddisruptionbudgets")
NETWORK_POLICY: Final = Kind(api_version="networking.k8s.io/v1", kind="NetworkPolicy", plural="networkpolicies")
CRON_JOB: Final = Kind(api_version="batch/v1", kind="CronJob", plural="cronjobs")
POD: Final = Kind(api_version="v1", kind="Pod", plural="pods")
VOLUME_CLAIM: Final = Kind(api_version="v1", kind="PersistentVolumeClaim", plural="persistentvolumeclaims")
EVENT: Final = Kind(api_version="v1", kind="Event", plural="events")
LEASE: Final = Kind(api_version="coordination.k8s.io/v1", kind="Lease", plural="leases")
VPP_CLUSTER: Final = Kind(api_version="vpp.energy/v1alpha1", kind="VPPCluster", plural="vppclusters")
QUEUE_CHANNEL: Final = Kind(api_version="vpp.energy/v1alpha1", kind="QueueChannel", plural="queuechannels")
NANO_GRID: Final = Kind(api_version="vpp.energy/v1alpha1", kind="NanoGrid", plural="nanogrids")

OWNED_KINDS: Final = (STATEFUL_SET, SERVICE, CONFIG_MAP, SECRET, DISRUPTION_BUDGET, NETWORK_POLICY, CRON_JOB)
"""Kinds the operator makes, and removes when they are no longer wanted."""
PLANT_KINDS: Final = (VPP_CLUSTER, QUEUE_CHANNEL, NANO_GRID)
ALL_KINDS: Final = (*OWNED_KINDS, *PLANT_KINDS, POD, VOLUME_CLAIM, EVENT, LEASE)


class Kubernetes(Protocol):
    """The API server."""

    async def list(
        self, kind: Kind, namespace: str | None, selector: str = "", *, fields: str = ""
    ) -> Sequence[Manifest]:
        """Return all objects of a kind, in one namespace or in all, that a label and a field selector match."""
        ...

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return one object, None if there is none."""
        ...

    async def apply(self, manifest: Manifest) -> Manifest:
        """Server-side apply as this operator's field manager, taking over fields that others own."""
        ...

    async def create(self, manifest: Manifest) -> Manifest:
        """Create an object.

        Raises:
            Conflict: it exists.
        """
        ...

    async def patch(
        self, kind: Kind, namespace: str, name: str, patch: Manifest, *, subresource: str = ""
    ) -> Manifest | None:
        """Merge a patch into an object; None if there is none.

        Raises:
            Conflict: the patch names a resourceVersion that is no longer current.
        """
        ...

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "") -> None:
        """Delete an object with what depends on it; with `uid` only that very object. Gone already is fine."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerIdentity:
    """What a server's certificate must say: it is reached by an address that is in no certificate."""

    name: str
    authority: str
    """PEM text; empty: the machine's own authorities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """One RabbitMQ server and the account to use on it."""

    host: str
    amqp_port: int
    management_url: str
    username: str
    password: str
    tls: ServerIdentity | None = None
    """What it must prove on both ports; None: they are plain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamExtent:
    """What a broker says of one stream: how many messages it holds and in how many bytes."""

    messages: int
    bytes: int
    segments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A client's connection to a broker."""

    name: str
    username: str


class Brokers(Protocol):
    """The management API of RabbitMQ servers."""

    async def definitions(self, at: BrokerAddress) -> Manifest:
        """Return users, permissions, exchanges, queues, bindings and policies as RabbitMQ exports them."""
        ...

    async def import_definitions(self, at: BrokerAddress, definitions: Manifest) -> None:
        """Create or overwrite what the definitions name, and leave the rest."""
        ...

    async def remove(self, at: BrokerAddress, path: Sequence[str]) -> None:
        """Delete what the management API keeps at `/api/<path>`; gone already is fine."""
        ...

    async def stream(self, at: BrokerAddress, name: str) -> StreamExtent | None:
        """Return a stream's extent, None if there is no such stream."""
        ...

    async def set_policy(self, at: BrokerAddress, name: str, policy: Manifest) -> None:
        """Create or overwrite a policy."""
        ...

    async def first_offset(self, at: BrokerAddress, stream: str) -> int | None:
        """Return the offset of a stream's oldest message, None while it is empty."""
        ...

    async def tail_offset(self, at: BrokerAddress, stream: str) -> int | None:
        """Return the offset behind a stream's newest message, None if none came in time."""
        ...

    async def mark_end(self, at: BrokerAddress, stream: str) -> int:
        """Publish an end marker into a stream and return its offset.

        Raises:
            Unavailable: it was not confirmed, or not found again.
        """
        ...

    async def connections(self, at: BrokerAddress) -> Sequence[Connection]:
        """Return the connections of all clients; `remove(at, ("connections", name))` closes one."""
        ...

    async def publish_topology(self, at: BrokerAddress, topology: Topology) -> None:
        """Publish to the topology stream and wait for the broker's confirm."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxAddress:
    """One InfluxDB server with its organisation, bucket and token."""

    url: str
    org: str
    bucket: str
    token: str


class Influx(Protocol):
    """InfluxDB 2."""

    async def set_up(self, at: InfluxAddress, *, username: str, password: str) -> bool:
        """Do the first setup of a fresh server with the address's token; False if it was done before."""
        ...

    async def check(self, at: InfluxAddress) -> None:
        """Check that the token may use organisation and bucket.

        Raises:
            NotReady: with reason `InfluxUnauthorized`, `InfluxOrganisationMissing` or `InfluxBucketMissing`.
            Unavailable: the server does not answer.
        """
        ...

    async def recover_token(self, at: InfluxAddress, *, username: str, password: str) -> str:
        """Sign in with name and password and return a new token that may read and write everything."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverProgress:
    """What the streaming driver says of itself at `/progress`."""

    state: str
    reason: str
    query_id: str
    batch_id: int
    committed: Mapping[str, int]
    planned_us: Mapping[str, int]
    topology_generation: int

    @property
    def takes_readings(self) -> bool:
        """Whether a batch has been through: the first one takes many seconds, and its workers are warm after it."""
        return self.state == "Running" and self.batch_id >= 0


class Spark(Protocol):
    """The streaming driver."""

    async def progress(self, url: str) -> DriverProgress:
        """Return the driver's progress."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """A certificate and its private key, both PEM text."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What a server's certificate says."""

    names: tuple[str, ...]
    not_after: float
    """Seconds since the epoch."""
    is_of_authority: bool
    """Whether the authority asked about has signed it."""


class Certificates(Protocol):
    """Makes and reads certificates. Times are seconds since the epoch.

    Every method raises NotReady with reason `CertificateUnusable` for PEM text that it cannot use.
    """

    def authority(self, name: str, *, now: float, days: int) -> KeyPair:
        """Return a new authority."""
        ...

    def server(self, authority: KeyPair, names: Sequence[str], *, now: float, days: int) -> KeyPair:
        """Return a new server certificate for these host names and addresses."""
        ...

    def facts(self, server: str, authority: str) -> CertificateFacts:
        """Return what a server's certificate says, and whether this authority has signed it."""
        ...


class Clock(Protocol):
    """Wall clock and monotonic clock, in seconds."""

    def time(self) -> float:
        """Return seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds of a clock that never goes back."""
        ...


class Randomness(Protocol):
    """Where new names and passwords come from."""

    def password(self) -> str:
        """Return a new password of letters, digits, `-` and `_`."""
        ...

    def stream_id(self) -> str:
        """Return 10 random hexadecimal digits."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """All of them together, as reconciling needs them."""

    kubernetes: Kubernetes
    brokers: Brokers
    influx: Influx
    spark: Spark
    certificates: Certificates
    clock: Clock
    randomness: Randomness
