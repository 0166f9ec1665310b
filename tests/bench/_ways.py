"""The straightforward ways to read a stream into Spark: a message at a time, a tuple a reading."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pika
from pyspark.sql.datasource import DataSource, DataSourceStreamReader, InputPartition
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from vpp_contract.readings import QUANTITIES, Reading, decode_batch

SCHEMA: Final = StructType(
    [
        StructField("der", StringType()),
        StructField("kind", StringType()),
        *(StructField(name, LongType()) for name in ("boot", "seq", "event_time_us", "created_us")),
        *(StructField(name, DoubleType()) for name in QUANTITIES),
    ]
)


def row_of(reading: Reading) -> tuple[Any, ...]:
    """Return a reading as a row."""
    return tuple(getattr(reading, field.name) for field in SCHEMA.fields)


class _Rows(DataSource):
    def schema(self) -> StructType:
        return SCHEMA

    def streamReader(self, schema: StructType) -> DataSourceStreamReader:  # noqa: N802 - Spark's name
        return _Reader(self.options, self.name())


class PikaRows(_Rows):
    """A pika consumer that hands rows."""

    @classmethod
    def name(cls) -> str:
        return "pika-rows"


class RstreamRows(_Rows):
    """rstream's callback that hands tuples."""

    @classmethod
    def name(cls) -> str:
        return "rstream-rows"


ALL: Final = (PikaRows, RstreamRows)


class _Reader(DataSourceStreamReader):
    """One range: the whole stream."""

    def __init__(self, options: Mapping[str, str], way: str) -> None:
        self._options, self._way = dict(options), way

    def initialOffset(self) -> dict[str, int]:  # noqa: N802 - Spark's name
        return {"at": 0}

    def latestOffset(self, *_: Any) -> dict[str, int]:  # noqa: N802
        return {"at": int(self._options["messages"])}

    def partitions(self, start: dict[str, int], end: dict[str, int]) -> list[InputPartition]:
        return [InputPartition(end["at"])] if end["at"] > start["at"] else []

    def read(self, partition: InputPartition) -> Iterator[tuple[Any, ...]]:
        read = _with_pika if self._way == PikaRows.name() else _with_rstream
        return read(self._options, int(partition.value))


def _with_pika(options: Mapping[str, str], messages: int) -> Iterator[tuple[Any, ...]]:
    credentials = pika.PlainCredentials(options["username"], options["password"])
    connection = pika.BlockingConnection(pika.ConnectionParameters(options["host"], credentials=credentials))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=500)
    left = messages
    for method, _, body in channel.consume(options["stream"], arguments={"x-stream-offset": "first"}):
        channel.basic_ack(method.delivery_tag)
        yield from map(row_of, decode_batch(body))
        left -= 1
        if not left:
            break
    connection.close()


def _with_rstream(options: Mapping[str, str], messages: int) -> Iterator[tuple[Any, ...]]:
    from rstream import AMQPMessage, Consumer, ConsumerOffsetSpecification, MessageContext, OffsetType, amqp_decoder

    rows: list[tuple[Any, ...]] = []

    async def consume() -> None:
        consumer = Consumer(
            options["host"],
            username=options["username"],
            password=options["password"],
            load_balancer_mode=True,
        )
        left, done = messages, asyncio.Event()

        async def came(message: AMQPMessage, _context: MessageContext) -> None:
            nonlocal left
            body = message.body if isinstance(message.body, bytes) else b"".join(message.body)
            rows.extend(map(row_of, decode_batch(body)))
            left -= 1
            if not left:
                done.set()

        first = ConsumerOffsetSpecification(OffsetType.FIRST, None)
        await consumer.start()
        await consumer.subscribe(options["stream"], came, decoder=amqp_decoder, offset_specification=first)
        await asyncio.wait_for(done.wait(), 300)
        await consumer.close()

    asyncio.run(consume())
    return iter(rows)
