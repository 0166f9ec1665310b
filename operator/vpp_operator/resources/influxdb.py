"""The managed InfluxDB of a plant. The operator does its first setup over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vpp_operator.api.vppcluster import VPPClusterSpec
from vpp_operator.resources import names
from vpp_operator.resources.images import Images
from vpp_operator.resources.metadata import Owner, digest, environment, selector_labels, service
from vpp_operator.resources.workload import Claim, Workload, http, probes, scrape, stateful_set

COMPONENT: Final = "influxdb"
PORT: Final = 8086
ADMIN: Final = "vpp-operator"
_DATA: Final = "/var/lib/influxdb2"
# The administrator's password follows its Secret at every start, so that a lost Secret is no lost server.
_START: Final = (
    'if [ -f "$INFLUXD_BOLT_PATH" ]; then influxd recovery user update --bolt-path "$INFLUXD_BOLT_PATH"'
    ' --username "$ADMIN_USERNAME" --password "$ADMIN_PASSWORD" || true; fi;'
    " unset ADMIN_PASSWORD; exec influxd"
)


def influxdb(owner: Owner, spec: VPPClusterSpec, images: Images, secret: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return Service and StatefulSet; none where InfluxDB is external. `secret` are its Secret's texts."""
    settings = spec.monitoring.influxdb
    if settings.type == "External":
        return []
    name = names.influxdb(owner.vpp)
    variables = {
        "HOME": "/tmp",  # the pod's own empty folder
        "INFLUXD_BOLT_PATH": f"{_DATA}/influxd.bolt",
        "INFLUXD_SQLITE_PATH": f"{_DATA}/influxd.sqlite",
        "INFLUXD_ENGINE_PATH": f"{_DATA}/engine",
        "INFLUXD_REPORTING_DISABLED": "true",
        "INFLUXD_UI_DISABLED": "true",
        "INFLUXD_LOG_LEVEL": "warn",
        "ADMIN_USERNAME": ADMIN,
    }
    workload = Workload(
        name=name,
        component=COMPONENT,
        image=images.influxdb,
        pull_policy=images.pull_policy,
        command=("sh", "-c", _START),
        ports={"http": PORT},
        probes=probes(http(PORT, "/health")),
        cpu_request="20m",
        memory_request="128Mi",
        memory_limit=settings.memory,
        environment=environment(variables, {"ADMIN_PASSWORD": (names.influxdb_secret(owner.vpp), "password")}),
        claims=(Claim(name="data", size=settings.size, path=_DATA, storage_class=settings.storage_class_name),),
        annotations=scrape(PORT),
        config_hash=digest(secret.get("password", "")),
    )
    return [
        service(owner, name, COMPONENT, {"http": PORT}, selector=selector_labels(owner.vpp, COMPONENT)),
        stateful_set(owner, workload),
    ]


def influxdb_url(owner: Owner, spec: VPPClusterSpec) -> str:
    """Return the address of InfluxDB as clients in the cluster see it."""
    settings = spec.monitoring.influxdb
    if settings.type == "External":
        return settings.url.rstrip("/")
    return f"http://{names.service_host(names.influxdb(owner.vpp), owner.namespace)}:{PORT}"
