"""Options of the data source, read once and checked in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vpp_contract.tls import client_context
from vpp_contract.topology import Topology, decode_topology
from vpp_workloads.streaming.amqp import Broker
from vpp_workloads.streaming.errors import OptionError


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a reader needs to know. `topology` is fixed, or `control` is the broker to hear it from."""

    username: str
    password: str = field(repr=False)
    topology: Topology | None
    control: Broker | None
    max_offsets_per_trigger: int
    max_bytes_per_trigger: int
    max_offsets_per_partition: int
    deadline_seconds: float
    fail_on_data_loss: bool
    status_file: str | None
    authority: str = field(default="", repr=False)

    def channel(self, host: str, port: int, *, tls: bool) -> Broker:
        """Return a channel's broker."""
        authority = self.authority if tls else None
        return Broker(host=host, port=port, username=self.username, password=self.password, authority=authority)


def parse_options(options: Mapping[str, str]) -> Options:
    """Read the options that `spark.readStream.option(...)` was given (docs/streaming.md lists them).

    Raises:
        OptionError: one is missing or malformed.
    """
    topology, control = options.get("topology"), None
    authority = _authority(options)
    if topology is None:
        control = Broker(
            host=_text(options, "controlHost", why="or give a fixed topology in the option topology"),
            port=_integer(options, "controlPort", 5672),
            username=_text(options, "controlUsername"),
            password=_text(options, "controlPassword"),
            authority=authority if _boolean(options, "controlTls", default=False) else None,
        )
    try:
        fixed = None if topology is None else decode_topology(topology.encode())
    except ValueError as error:
        raise OptionError(f"the option topology of rabbitmq-streams is {error}") from None
    return Options(
        username=_text(options, "username"),
        password=_text(options, "password"),
        topology=fixed,
        control=control,
        max_offsets_per_trigger=_integer(options, "maxOffsetsPerTrigger", 5000),
        max_bytes_per_trigger=_integer(options, "maxBytesPerTrigger", 16_000_000),
        max_offsets_per_partition=_integer(options, "maxOffsetsPerPartition", 1000),
        deadline_seconds=_integer(options, "deadlineSeconds", 15),
        fail_on_data_loss=_boolean(options, "failOnDataLoss", default=False),
        status_file=options.get("statusFile"),
        authority=authority,
    )


def _text(options: Mapping[str, str], name: str, *, why: str = "") -> str:
    value = options.get(name)
    if not value:
        raise OptionError(f"rabbitmq-streams needs the option {name}" + (f", {why}" if why else ""))
    return value


def _authority(options: Mapping[str, str]) -> str:
    authority = options.get("authority", "")
    try:
        client_context(authority)
    except ValueError as error:
        raise OptionError(f"the option authority of rabbitmq-streams: {error}") from None
    return authority


def _integer(options: Mapping[str, str], name: str, default: int) -> int:
    raw = options.get(name, str(default))
    if not raw.isdecimal() or int(raw) < 1:
        raise OptionError(f"the option {name} of rabbitmq-streams is {raw!r}; give a whole number of at least 1")
    return int(raw)


def _boolean(options: Mapping[str, str], name: str, *, default: bool) -> bool:
    raw = options.get(name, str(default)).lower()
    if raw not in ("true", "false"):
        raise OptionError(f"the option {name} of rabbitmq-streams is {raw!r}; give true or false")
    return raw == "true"
