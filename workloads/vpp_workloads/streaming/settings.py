"""What the operator tells the driver, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from vpp_contract import environment as env
from vpp_contract.names import CHECKPOINT_FOLDER, DRIVER_PORT, POISON_FOLDER, RECENT_FOLDER
from vpp_workloads.streaming.amqp import Broker
from vpp_workloads.streaming.history.plan import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class InfluxSettings:
    """The time-series database of the twin."""

    url: str
    org: str
    bucket: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """Where history, poison and checkpoint lie; `webhdfs_url` is empty unless that is HDFS.

    `replication` is the number of copies of each HDFS block; 0 leaves it to the HDFS client, who decides it, not the
    name node.
    """

    url: str
    webhdfs_url: str
    replication: int = 0

    @property
    def recent(self) -> str:
        """Folder of accepted readings, batch by batch, until they are in the history."""
        return f"{self.url}/{RECENT_FOLDER}"

    @property
    def poison(self) -> str:
        """Folder of what could not be accepted."""
        return f"{self.url}/{POISON_FOLDER}"

    @property
    def checkpoint(self) -> str:
        """Folder of Spark's offsets and state."""
        return f"{self.url}/{CHECKPOINT_FOLDER}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of the driver."""

    vpp: str
    control: Broker
    authority: str = field(default="", repr=False)
    """Certificate, PEM text, that brokers with TLS are checked against; empty: the machine's own authorities."""
    channel_username: str
    channel_password: str = field(repr=False)
    influx: InfluxSettings
    storage: StorageSettings
    spark_master: str
    trigger_seconds: float
    shuffle_partitions: int
    energy_window_hours: int
    progress_port: int
    driver_host: str
    max_cores: int
    executor_memory: str
    marks: bool = False
    """Whether gateways wait to hear what the twin has taken."""
    plant_file: Path | None = None
    """What the resources say of ratings and target; None: nothing is known."""


def influx_settings(environ: Mapping[str, str]) -> InfluxSettings:
    """Return the settings of InfluxDB.

    Raises:
        SettingError: one is missing.
    """
    return InfluxSettings(
        url=env.text(environ, env.INFLUX_URL),
        org=env.text(environ, env.INFLUX_ORG),
        bucket=env.text(environ, env.INFLUX_BUCKET),
        token=env.text(environ, env.INFLUX_TOKEN),
    )


def storage_settings(environ: Mapping[str, str]) -> StorageSettings:
    """Return the settings of the storage.

    Raises:
        SettingError: one is missing, or the URL is none.
    """
    url = env.text(environ, env.STORAGE_URL).rstrip("/")
    if "://" not in url:
        raise env.SettingError(
            f"{env.STORAGE_URL} is {url!r}; give a URL such as hdfs://HOST:8020/vpp or file:///data/vpp"
        )
    return StorageSettings(
        url=url,
        webhdfs_url=env.text(environ, env.WEBHDFS_URL, "none").removesuffix("none"),
        replication=env.integer(environ, env.STORAGE_REPLICATION, 0),
    )


def history_limits(environ: Mapping[str, str]) -> Limits:
    """Return what bounds a fold of the history.

    Raises:
        SettingError: one is malformed.
    """
    return Limits(
        full_bytes=env.integer(environ, env.HISTORY_FILE_BYTES, 128 * 1024 * 1024, minimum=1),
        round_batches=env.integer(environ, env.HISTORY_ROUND_BATCHES, 300, minimum=1),
        grace_seconds=env.integer(environ, env.HISTORY_GRACE_SECONDS, 3600),
    )


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return all settings.

    Raises:
        SettingError: one is missing or malformed.
    """
    authority = env.text(environ, env.BROKER_AUTHORITY, "")
    return Settings(
        vpp=env.text(environ, env.VPP_NAME),
        control=Broker(
            host=env.text(environ, env.CONTROL_HOST),
            port=env.integer(environ, env.CONTROL_PORT, 5672, minimum=1),
            username=env.text(environ, env.CONTROL_USERNAME),
            password=env.text(environ, env.CONTROL_PASSWORD),
            authority=authority if environ.get(env.CONTROL_TLS) == "true" else None,
        ),
        authority=authority,
        channel_username=env.text(environ, env.CHANNEL_USERNAME),
        channel_password=env.text(environ, env.CHANNEL_PASSWORD),
        influx=influx_settings(environ),
        storage=storage_settings(environ),
        spark_master=env.text(environ, env.SPARK_MASTER),
        trigger_seconds=env.number(environ, env.TRIGGER_SECONDS, 1.0),
        shuffle_partitions=env.integer(environ, env.SHUFFLE_PARTITIONS, 2, minimum=1),
        energy_window_hours=env.integer(environ, env.ENERGY_WINDOW_HOURS, 48, minimum=1),
        progress_port=env.integer(environ, env.PROGRESS_PORT, DRIVER_PORT),
        driver_host=env.text(environ, env.DRIVER_HOST, "localhost"),
        max_cores=env.integer(environ, env.MAX_CORES, 0),
        executor_memory=env.text(environ, env.EXECUTOR_MEMORY, "1g"),
        marks=bool(env.integer(environ, env.MARKS, 0)),
        plant_file=Path(environ[env.PLANT_FILE]) if environ.get(env.PLANT_FILE) else None,
    )
