"""What an earlier run finished, read from Spark's checkpoint before the query starts: /progress never forgets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The newest batch whose commit is written; `batch_id` -1 when there is none."""

    batch_id: int = -1
    offsets: dict[str, int] = field(default_factory=dict)


def finished(spark: SparkSession, checkpoint: str) -> Finished:
    """Return the last finished batch of a checkpoint.

    Raises:
        OSError: the storage does not answer.
    """
    jvm: Any = spark._jvm
    try:
        folder = jvm.org.apache.hadoop.fs.Path(f"{checkpoint}/commits")
        files = folder.getFileSystem(spark._jsc.hadoopConfiguration())
        if not files.exists(folder):
            return Finished()
        names = [status.getPath().getName() for status in files.listStatus(folder)]
        batches = [int(name) for name in names if name.isdecimal()]
        if not batches:
            return Finished()
        newest = max(batches)
        stream = files.open(jvm.org.apache.hadoop.fs.Path(f"{checkpoint}/offsets/{newest}"))
        try:
            text = bytes(stream.readAllBytes()).decode()
        finally:
            stream.close()
    except Py4JError as error:
        raise OSError(f"the checkpoint {checkpoint} cannot be read: {str(error).splitlines()[0]}") from None
    return Finished(batch_id=newest, offsets=parse_offsets(text))


def parse_offsets(text: str) -> dict[str, int]:
    """Return the offsets of our one source from a file of Spark's offset log."""
    for line in reversed(text.splitlines()):
        values = json.loads(line) if line.startswith("{") else None
        if isinstance(values, dict) and all("/" in key and isinstance(values[key], int) for key in values):
            return values
    return {}
