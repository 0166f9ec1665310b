"""Environment variables through which the operator configures a workload, and how a workload reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

VPP_NAME: Final = "VPP_NAME"
VPP_NAMESPACE: Final = "VPP_NAMESPACE"
CONTROL_HOST: Final = "VPP_CONTROL_HOST"
CONTROL_PORT: Final = "VPP_CONTROL_PORT"
CONTROL_USERNAME: Final = "VPP_CONTROL_USERNAME"
CONTROL_PASSWORD: Final = "VPP_CONTROL_PASSWORD"
CONTROL_TLS: Final = "VPP_CONTROL_TLS"
BROKER_AUTHORITY: Final = "VPP_BROKER_AUTHORITY"
CHANNEL_USERNAME: Final = "VPP_CHANNEL_USERNAME"
CHANNEL_PASSWORD: Final = "VPP_CHANNEL_PASSWORD"
INFLUX_URL: Final = "VPP_INFLUX_URL"
INFLUX_ORG: Final = "VPP_INFLUX_ORG"
INFLUX_BUCKET: Final = "VPP_INFLUX_BUCKET"
INFLUX_TOKEN: Final = "VPP_INFLUX_TOKEN"
STORAGE_URL: Final = "VPP_STORAGE_URL"
STORAGE_REPLICATION: Final = "VPP_STORAGE_REPLICATION"
"""Copies of each HDFS block; 0: as many as the HDFS client makes by itself."""
WEBHDFS_URL: Final = "VPP_WEBHDFS_URL"
SPARK_MASTER: Final = "VPP_SPARK_MASTER"
TRIGGER_SECONDS: Final = "VPP_TRIGGER_SECONDS"
SHUFFLE_PARTITIONS: Final = "VPP_SHUFFLE_PARTITIONS"
ENERGY_WINDOW_HOURS: Final = "VPP_ENERGY_WINDOW_HOURS"
PROGRESS_PORT: Final = "VPP_PROGRESS_PORT"
DRIVER_HOST: Final = "VPP_DRIVER_HOST"
MAX_CORES: Final = "VPP_MAX_CORES"
EXECUTOR_MEMORY: Final = "VPP_EXECUTOR_MEMORY"
MARKS: Final = "VPP_MARKS"
"""1: the driver tells gateways what the twin has taken (durability EndToEnd of a QueueChannel)."""
PLANT_FILE: Final = "VPP_PLANT_FILE"
SIMULATOR_CONFIG: Final = "VPP_SIMULATOR_CONFIG"
STATE_DIR: Final = "VPP_STATE_DIR"
DATA_FOLDER: Final = "VPP_DATA_FOLDER"
HISTORY_FILE_BYTES: Final = "VPP_HISTORY_FILE_BYTES"
HISTORY_ROUND_BATCHES: Final = "VPP_HISTORY_ROUND_BATCHES"
HISTORY_GRACE_SECONDS: Final = "VPP_HISTORY_GRACE_SECONDS"


class SettingError(ValueError):
    """A setting is missing or malformed; the text names the variable and says what it should hold."""


def text(environ: Mapping[str, str], name: str, default: str | None = None) -> str:
    """Return a setting's text.

    Raises:
        SettingError: it is missing or empty and has no default.
    """
    value = environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise SettingError(f"{name} is not set; the operator sets it in the pods it makes")
    return default


def number(environ: Mapping[str, str], name: str, default: float | None = None, *, minimum: float = 0.0) -> float:
    """Return a setting as a number of at least `minimum`.

    Raises:
        SettingError: missing without default, no number, or too small.
    """
    raw = text(environ, name, None if default is None else str(default))
    try:
        value = float(raw)
    except ValueError:
        raise SettingError(f"{name} is {raw!r}, which is no number") from None
    if not value >= minimum:
        raise SettingError(f"{name} is {raw}; it must be at least {minimum:g}")
    return value


def integer(environ: Mapping[str, str], name: str, default: int | None = None, *, minimum: int = 0) -> int:
    """Return a setting as a whole number of at least `minimum`.

    Raises:
        SettingError: missing without default, no whole number, or too small.
    """
    value = number(environ, name, default, minimum=minimum)
    if not value.is_integer():
        raise SettingError(f"{name} is {value:g}, which is no whole number")
    return int(value)
