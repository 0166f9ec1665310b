"""The Spark data source `rabbitmq-streams`: streams of many brokers as one exactly replayable table of readings.

Spark keeps one reader in a planning process on the driver, which asks where the streams end, and runs `read` in Python
workers, each of which keeps its connections for the next task. docs/streaming.md lists the options.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition
from pyspark.sql.streaming.datasource import (
    ReadAllAvailable,
    ReadLimit,
    ReadMaxRows,
    SupportsTriggerAvailableNow,
)
from pyspark.sql.types import StructType

from vpp_contract.topology import Channel, ChannelState, Topology
from vpp_workloads.streaming.amqp import Connections
from vpp_workloads.streaming.columns import SOURCE_SCHEMA
from vpp_workloads.streaming.errors import BrokerUnavailableError
from vpp_workloads.streaming.options import Options, parse_options
from vpp_workloads.streaming.plan import (
    Observation,
    Offsets,
    StreamRange,
    keep_observations,
    plan_end,
    plan_ranges,
)
from vpp_workloads.streaming.reading import read_range
from vpp_workloads.streaming.stream_client import StreamConnections
from vpp_workloads.streaming.tails import Tails, TopologyWatch

SOURCE_NAME: Final = "rabbitmq-streams"


class RabbitMQStreams(DataSource):
    """Readings from RabbitMQ streams. Register it with `spark.dataSource.register(RabbitMQStreams)`."""

    @classmethod
    def name(cls) -> str:
        """Return the format name."""
        return SOURCE_NAME

    def schema(self) -> StructType:
        """Return the columns (docs/streaming.md describes them)."""
        return SOURCE_SCHEMA

    def streamReader(self, schema: StructType) -> DataSourceStreamReader:  # noqa: N802 - Spark's name
        """Return the reader."""
        return StreamsReader(parse_options(self.options))


class StreamsReader(DataSourceStreamReader, SupportsTriggerAvailableNow):
    """Plans in one process, reads in others; what planning holds is never sent along."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._planner: Planner | None = None
        self._target: Offsets | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return what a Python worker needs: the options alone."""
        return {"_options": self._options, "_planner": None, "_target": None}

    def _planning(self) -> Planner:
        if self._planner is None:
            self._planner = Planner(self._options)
        return self._planner

    def initialOffset(self) -> Offsets:  # noqa: N802 - Spark's name
        """Return no offsets: a stream that is not named starts at 0."""
        return {}

    def getDefaultReadLimit(self) -> ReadLimit:  # noqa: N802
        """Return the limit from the options; rows mean offsets, that is messages. Bytes are limited in addition."""
        return ReadMaxRows(self._options.max_offsets_per_trigger)

    def prepareForTriggerAvailableNow(self) -> None:  # noqa: N802
        """Remember where the streams end now, and never plan beyond it."""
        self._target = self._planning().latest({}, None)

    def latestOffset(self, start: dict[str, int], limit: ReadLimit) -> Offsets:  # noqa: N802
        """Return where the next batch ends."""
        most = limit.max_rows if isinstance(limit, ReadMaxRows) else None
        if not isinstance(limit, ReadMaxRows | ReadAllAvailable):
            most = self._options.max_offsets_per_trigger
        if self._target is not None:
            return plan_end(start, self._target, most)
        return self._planning().latest(start, most)

    def partitions(self, start: dict[str, int], end: dict[str, int]) -> Sequence[InputPartition]:
        """Return the ranges of a batch, also of one that an earlier run planned."""
        return self._planning().ranges(start, end)

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Yield one range as record batches."""
        assert isinstance(partition, StreamRange)
        return read_range(self._options, partition)

    def stop(self) -> None:
        """Close the planner's connections."""
        if self._planner is not None:
            self._planner.close()


class Planner:
    """The planning process's memory: topology, connections and what it saw of the streams' ends."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._control = Connections("vpp planner")
        self._channels = StreamConnections("vpp planner")
        self._watch = TopologyWatch(options.control, self._control) if options.control else None
        self._tails = Tails(
            lambda channel: options.channel(channel.host, channel.stream_port, tls=channel.tls), self._channels
        )
        self._seen: dict[str, tuple[Observation, ...]] = {}

    def _topology(self) -> Topology | None:
        return self._watch.current() if self._watch else self._options.topology

    def latest(self, start: Mapping[str, int], limit: int | None) -> Offsets:
        """Return where a batch from `start` ends, at most `limit` offsets later."""
        topology = self._topology()
        channels = _by_key(topology)
        tails, idle = self._tails.look(channels)
        for key, observation in idle.items():
            self._seen[key] = keep_observations((*self._seen.get(key, ()), observation), start.get(key, 0))
        self._report(topology, start, tails)
        if limit is not None and self._tails.message_bytes:
            limit = max(1, min(limit, int(self._options.max_bytes_per_trigger / self._tails.message_bytes)))
        return plan_end(start, {**dict.fromkeys(channels, 0), **tails}, limit)

    def ranges(self, start: Mapping[str, int], end: Mapping[str, int]) -> list[StreamRange]:
        """Return a batch's ranges.

        Raises:
            BrokerUnavailableError: where the channels are cannot be known now.
        """
        topology = self._topology()
        if topology is None:
            raise BrokerUnavailableError(
                f"the topology is not known: {self._watch.problem if self._watch else 'none given'}"
            )
        return plan_ranges(start, end, _by_key(topology), self._options.max_offsets_per_partition)

    def _report(self, topology: Topology | None, start: Mapping[str, int], tails: Mapping[str, int]) -> None:
        """Tell the driver's /progress what only this process knows; the file is replaced, never half written."""
        if self._options.status_file is None:
            return
        report = {
            "updated_us": time.time_ns() // 1000,
            "topology_generation": topology.generation if topology else None,
            "topology_problem": self._watch.problem if self._watch else None,
            "problems": self._tails.problems,
            "went_back": {key: tail for key, tail in tails.items() if 0 < tail < start.get(key, 0)},
            "awake": sorted(
                channel.key
                for channel in (topology.channels if topology else ())
                if channel.state is not ChannelState.ASLEEP
            ),
            "empty_us": self._tails.empty_us,
            "seen": {key: [[one.tail, one.at_us] for one in seen] for key, seen in self._seen.items()},
        }
        path = Path(self._options.status_file)
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(report))
        draft.replace(path)

    def close(self) -> None:
        """Close all connections."""
        self._control.close()
        self._channels.close()


def _by_key(topology: Topology | None) -> dict[str, Channel]:
    return {channel.key: channel for channel in topology.channels} if topology else {}
