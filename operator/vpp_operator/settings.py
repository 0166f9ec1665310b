"""The operator's settings: environment variables in, one frozen value out. No other module reads the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vpp_contract.environment import SettingError, integer, number, text
from vpp_operator.resources.images import Images

LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("plain", "json")
PULL_POLICIES: Final = ("Always", "IfNotPresent", "Never")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a person can set about the operator. Empty `watch_namespaces` means all namespaces."""

    images: Images
    watch_namespaces: tuple[str, ...] = ()
    identity: str = "vpp-operator"
    namespace: str = "default"
    lease_name: str = "vpp-operator"
    lease_seconds: float = 10.0
    resync_seconds: float = 5.0
    deaf_after_seconds: float = 45.0
    health_port: int = 8080
    metrics_port: int = 8000
    log_level: str = "info"
    log_format: str = "plain"


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings that environment variables give.

    Raises:
        SettingError: one is missing or malformed; the text names it and says what it should hold.
    """
    return Settings(
        images=_images(environ),
        watch_namespaces=_names(environ.get("VPP_WATCH_NAMESPACES", "")),
        identity=text(environ, "VPP_POD_NAME", "vpp-operator"),
        namespace=text(environ, "VPP_POD_NAMESPACE", "default"),
        lease_name=text(environ, "VPP_LEASE_NAME", "vpp-operator"),
        lease_seconds=number(environ, "VPP_LEASE_SECONDS", 10.0, minimum=3.0),
        resync_seconds=number(environ, "VPP_RESYNC_SECONDS", 5.0, minimum=0.5),
        deaf_after_seconds=number(environ, "VPP_DEAF_AFTER_SECONDS", 45.0, minimum=5.0),
        health_port=_port(environ, "VPP_HEALTH_PORT", 8080),
        metrics_port=_port(environ, "VPP_METRICS_PORT", 8000),
        log_level=_one_of(environ, "VPP_LOG_LEVEL", LOG_LEVELS, "info"),
        log_format=_one_of(environ, "VPP_LOG_FORMAT", LOG_FORMATS, "plain"),
    )


def _images(environ: Mapping[str, str]) -> Images:
    def image(name: str) -> str:
        return text(environ, f"VPP_IMAGE_{name.upper()}", f"localhost/vpp-{name}:0.1.0")

    return Images(
        rabbitmq=image("rabbitmq"),
        hdfs=image("hdfs"),
        influxdb=image("influxdb"),
        spark=image("spark"),
        edge=image("edge"),
        nanogrid=image("nanogrid"),
        pull_policy=_one_of(environ, "VPP_IMAGE_PULL_POLICY", PULL_POLICIES, "IfNotPresent"),
    )


def _names(raw: str) -> tuple[str, ...]:
    return tuple(sorted({name.strip() for name in raw.split(",") if name.strip()}))


def _one_of(environ: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = text(environ, name, default)
    if value not in allowed:
        raise SettingError(f"{name} is {value!r}; use one of {', '.join(allowed)}")
    return value


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    value = integer(environ, name, default, minimum=0)
    if value > 65535:
        raise SettingError(f"{name} is {value}; a port goes from 0 to 65535")
    return value
