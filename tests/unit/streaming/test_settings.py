"""The driver's environment."""

from __future__ import annotations

import pytest

from vpp_contract.environment import SettingError
from vpp_workloads.streaming.session import spark_options
from vpp_workloads.streaming.settings import read_settings

GOOD = {
    "VPP_NAME": "demo",
    "VPP_CONTROL_HOST": "demo-control",
    "VPP_CONTROL_USERNAME": "vpp-reader",
    "VPP_CONTROL_PASSWORD": "secret-1",
    "VPP_CHANNEL_USERNAME": "vpp-reader",
    "VPP_CHANNEL_PASSWORD": "secret-2",
    "VPP_INFLUX_URL": "http://demo-influxdb:8086",
    "VPP_INFLUX_ORG": "vpp",
    "VPP_INFLUX_BUCKET": "twin",
    "VPP_INFLUX_TOKEN": "secret-3",
    "VPP_STORAGE_URL": "hdfs://demo-hdfs-namenode:8020/vpp/",
    "VPP_SPARK_MASTER": "spark://demo-spark-master:7077",
}


def test_defaults_and_folders() -> None:
    settings = read_settings(GOOD)
    assert (settings.trigger_seconds, settings.shuffle_partitions, settings.energy_window_hours) == (1.0, 2, 48)
    assert settings.storage.checkpoint == "hdfs://demo-hdfs-namenode:8020/vpp/checkpoint"
    assert "secret" not in repr(settings)


def test_the_control_broker_is_checked_only_where_it_speaks_tls() -> None:
    authority = {"VPP_BROKER_AUTHORITY": "PEM"}
    assert read_settings(GOOD | authority).control.authority is None
    settings = read_settings(GOOD | authority | {"VPP_CONTROL_TLS": "true"})
    assert (settings.control.authority, settings.authority) == ("PEM", "PEM")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"VPP_NAME": ""}, "VPP_NAME is not set"),
        ({"VPP_STORAGE_URL": "/data/vpp"}, "VPP_STORAGE_URL is '/data/vpp'; give a URL such as hdfs://"),
        ({"VPP_TRIGGER_SECONDS": "fast"}, "VPP_TRIGGER_SECONDS is 'fast', which is no number"),
        ({"VPP_SHUFFLE_PARTITIONS": "0"}, "VPP_SHUFFLE_PARTITIONS is 0; it must be at least 1"),
        ({"VPP_CONTROL_PORT": "5672.5"}, "VPP_CONTROL_PORT is 5672.5, which is no whole number"),
    ],
)
def test_bad_settings_are_refused_in_words(change: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingError, match=f"^{sentence}"):
        read_settings(GOOD | change)


@pytest.mark.parametrize(("said", "option"), [("2", "2"), ("0", None), ("", None)])
def test_spark_writes_as_many_copies_as_it_is_told_and_else_leaves_it_to_the_client(
    said: str, option: str | None
) -> None:
    options = spark_options(read_settings(GOOD | {"VPP_STORAGE_REPLICATION": said}))
    assert options.get("spark.hadoop.dfs.replication") == option


def test_ports_are_fixed_on_a_cluster_and_free_on_one_machine() -> None:
    on_cluster = spark_options(read_settings(GOOD | {"VPP_DRIVER_HOST": "demo-driver-0.demo-driver"}))
    assert (on_cluster["spark.driver.host"], on_cluster["spark.driver.port"]) == ("demo-driver-0.demo-driver", "7078")
    assert "spark.cores.max" not in on_cluster
    local = spark_options(read_settings(GOOD | {"VPP_SPARK_MASTER": "local[2]", "VPP_MAX_CORES": "3"}))
    assert "spark.driver.port" not in local
    assert local["spark.cores.max"] == "3"
