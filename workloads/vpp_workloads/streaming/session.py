"""Spark's settings for this job: few fixed ports, few partitions, workers that may leave at any time."""

from __future__ import annotations

import os
import sys
from typing import Final

from pyspark.sql import SparkSession

from vpp_workloads.streaming.settings import Settings
from vpp_workloads.streaming.source import RabbitMQStreams

DRIVER_RPC_PORT: Final = 7078
BLOCK_MANAGER_PORT: Final = 7079

# Batches are small and many: starting fast beats the last third of peak speed, and helper threads would cost a core.
_JVM: Final = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
COMMON_OPTIONS: Final = {
    "spark.driver.extraJavaOptions": _JVM,
    "spark.executor.extraJavaOptions": _JVM,
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC",
    # A micro-batch's fixed cost is latency: nothing below may cost a file, a job or a process that nobody needs.
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",
    "spark.sql.streaming.minBatchesToRetain": "10",
    "spark.sql.streaming.numRecentProgressUpdates": "5",
    "spark.sql.streaming.checkpoint.fileChecksum.enabled": "false",
    "spark.sql.streaming.stateStore.minDeltasForSnapshot": "20",
    "spark.sql.streaming.metricsEnabled": "false",
    "spark.sql.parquet.compression.codec": "zstd",
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    "spark.hadoop.parquet.summary.metadata.level": "NONE",
    "spark.ui.retainedJobs": "50",
    "spark.ui.retainedStages": "50",
    "spark.ui.retainedTasks": "1000",
    "spark.sql.ui.retainedExecutions": "20",
    "spark.worker.ui.retainedExecutors": "20",
    "spark.locality.wait": "0s",
    "spark.python.worker.reuse": "true",
    # Workers leave: their blocks move first, and a batch that fails nevertheless is done again from the checkpoint.
    "spark.decommission.enabled": "true",
    "spark.storage.decommission.enabled": "true",
    "spark.storage.decommission.shuffleBlocks.enabled": "true",
    "spark.storage.decommission.rddBlocks.enabled": "true",
    "spark.task.maxFailures": "4",
    "spark.network.timeout": "60s",
    "spark.executor.heartbeatInterval": "5s",
    # Deadlines of the HDFS client: an unreachable name node is a failed batch and soon another try, not a hang.
    "spark.hadoop.ipc.client.connect.timeout": "5000",
    "spark.hadoop.ipc.client.connect.max.retries": "3",
    "spark.hadoop.ipc.client.connect.max.retries.on.timeouts": "3",
    "spark.hadoop.ipc.client.rpc-timeout.ms": "30000",
    "spark.hadoop.dfs.client.socket-timeout": "30000",
    "spark.hadoop.dfs.client.use.datanode.hostname": "true",
    # Closing a file waits for the name node to hear of its last block, which takes milliseconds; the default first wait
    # of 400 ms was paid four times in every batch. The waits double, so many of them reach as far as before.
    "spark.hadoop.dfs.client.block.write.locateFollowingBlock.initial.delay.ms": "5",
    "spark.hadoop.dfs.client.block.write.locateFollowingBlock.retries": "12",
    "spark.hadoop.dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER",
}


def spark_options(settings: Settings) -> dict[str, str]:
    """Return every Spark setting of the job."""
    options = {
        **COMMON_OPTIONS,
        "spark.app.name": f"vpp-{settings.vpp}",
        "spark.master": settings.spark_master,
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.executor.memory": settings.executor_memory,
    }
    if not settings.spark_master.startswith("local"):
        options |= {
            "spark.driver.host": settings.driver_host,
            "spark.driver.bindAddress": "0.0.0.0",
            "spark.driver.port": str(DRIVER_RPC_PORT),
            "spark.driver.blockManager.port": str(BLOCK_MANAGER_PORT),
        }
    if settings.storage.replication:
        options["spark.hadoop.dfs.replication"] = str(settings.storage.replication)
    if settings.max_cores:
        options["spark.cores.max"] = str(settings.max_cores)
    return options


def start_session(options: dict[str, str]) -> SparkSession:
    """Start Spark on the driver and make the data source known."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder
    for name, value in options.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    spark.dataSource.register(RabbitMQStreams)
    return spark
