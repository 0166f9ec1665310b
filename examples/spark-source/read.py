"""Reads the readings that lie in a plant's channels into Parquet, or onto the screen, with a Spark of your own.

Each run goes on where the last one ended and stops when it has read all there is: run it by the clock. It reads
beside the plant's own driver and takes nothing away from it, but it does not keep readings in the channels either: the
operator frees what the plant's twin has, so read more often than `spec.retention.marginSeconds` of the QueueChannel.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812 - Spark's custom

from vpp_contract.topology import Channel, ChannelState, Topology, encode_topology
from vpp_workloads.streaming.source import SOURCE_NAME, RabbitMQStreams


def topology_of(document: str) -> str:
    """Return the option `topology`: the channels in a QueueChannel's status (`kubectl get qch NAME -o json`)."""
    resource = json.loads(document)
    channels = [
        Channel(
            name=channel["name"],
            queue_channel=resource["metadata"]["name"],
            host=channel["host"],
            amqp_port=5672,
            stream=channel["stream"],
            state=ChannelState.ACTIVE,
        )
        for channel in resource["status"]["channels"]
        if channel.get("stream") and channel["state"] != "Asleep"
    ]
    return encode_topology(Topology(generation=1, channels=tuple(channels))).decode()


def main() -> int:
    """Read once; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queue-channel", required=True, type=Path, help="file with `kubectl get qch NAME -o json`")
    parser.add_argument("--output", help="folder for Parquet files; without it rows go to the screen")
    parser.add_argument("--checkpoint", required=True, help="folder in which Spark keeps how far it has read")
    arguments = parser.parse_args()

    spark = SparkSession.builder.appName("spark-source").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    spark.dataSource.register(RabbitMQStreams)
    rows = (
        spark.readStream.format(SOURCE_NAME)
        .option("username", os.environ["CHANNEL_USERNAME"])
        .option("password", os.environ["CHANNEL_PASSWORD"])
        .option("topology", topology_of(arguments.queue_channel.read_text()))
        .option("failOnDataLoss", "false")
        .load()
    )
    # What could not be accepted, or is lost, is a row with a fault. A reading that was sent twice is there twice:
    # (der, boot, seq) says which are the same.
    readings = rows.where("fault IS NULL").select(
        "der", "boot", "seq", F.timestamp_micros("event_time_us").alias("event_time"), "power_kw", "energy_kwh"
    )
    writer = readings.writeStream.option("checkpointLocation", arguments.checkpoint).trigger(availableNow=True)
    if arguments.output:
        query = writer.format("parquet").start(arguments.output)
    else:
        query = writer.format("console").option("truncate", "false").start()
    query.awaitTermination()
    spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
