"""RabbitMQ as pods: one shape for ingest channels and for the control broker, which differ in nodes and names only.

All are single nodes that know nothing of each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vpp_contract.names import INGRESS_EXCHANGE
from vpp_operator.resources.images import Images
from vpp_operator.resources.metadata import (
    Owner,
    config_map,
    digest,
    disruption_budget,
    environment,
    selector_labels,
    service,
)
from vpp_operator.resources.quantities import MIB, amount
from vpp_operator.resources.tls import (
    ERLANG_ARGUMENTS,
    FOLDER,
    METRICS_PORT,
    TLS_ANNOTATION,
    BrokerTls,
    broker_ports,
    listeners,
    port_for_clients,
    tls_volume,
)
from vpp_operator.resources.workload import (
    Claim,
    Workload,
    config_mount,
    config_volume,
    probes,
    scrape,
    secret_volume,
    stateful_set,
    tcp,
)

PLUGINS: Final = (
    "rabbitmq_management",
    "rabbitmq_prometheus",
    "rabbitmq_mqtt",
    "rabbitmq_consistent_hash_exchange",
    "rabbitmq_stream",
)
_DATA: Final = "/var/lib/rabbitmq"
# Two schedulers are enough for a small broker, and busy waiting would take the CPU from its neighbours.
_ERLANG: Final = "+S {schedulers}:{schedulers} +sbwt none +sbwtdcpu none +sbwtdio none"
# The cookie goes to a private folder: Erlang refuses one that the volume's group may read.
_START: Final = (
    'umask 077; mkdir -p "$HOME"; printf %s "$COOKIE" > "$HOME/.erlang.cookie"; chmod 400 "$HOME/.erlang.cookie";'
    " umask 027; exec rabbitmq-server"
)
_LOOPBACK: Final = "-kernel inet_dist_use_interface {127,0,0,1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerShape:
    """What one set of brokers looks like. `name` is its StatefulSet's, `admin_secret` holds its administrator."""

    name: str
    component: str
    admin_secret: str
    nodes: int
    cpu: str
    memory: str
    storage: str
    storage_class: str = ""
    service_type: str = "ClusterIP"
    service_annotations: Mapping[str, str] | None = None
    service_selector: Mapping[str, str] | None = None
    mqtt: bool = True
    mqtt_exchange: str = INGRESS_EXCHANGE
    labels: Mapping[str, str] | None = None
    tls: BrokerTls | None = None


def _ports(shape: BrokerShape, *, of_the_plant: bool) -> dict[str, int]:
    """Return a broker's ports: of the clients' Service, which may be open to the world, or all that its pod has.

    The plant's own pods and the operator know a broker by its own name or address.
    """
    clients = ("Amqp", "Mqtt") if shape.mqtt else ("Amqp",)
    if not of_the_plant:
        return broker_ports(shape.tls, clients)
    return broker_ports(shape.tls, (*clients, "Management", "Stream")) | {"prometheus": METRICS_PORT}


def broker(owner: Owner, shape: BrokerShape, images: Images, admin: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return ConfigMap, Services, StatefulSet and disruption budget. `admin` are the administrator Secret's texts."""
    selector = selector_labels(owner.vpp, shape.component) | dict(shape.labels or {})
    configuration = {"rabbitmq.conf": _configuration(owner, shape), "enabled_plugins": _plugins(shape)}
    objects = [
        config_map(owner, shape.name, shape.component, configuration, labels=shape.labels),
        service(
            owner,
            f"{shape.name}-nodes",
            shape.component,
            _ports(shape, of_the_plant=True),
            selector=selector,
            headless=True,
            labels=shape.labels,
        ),
        service(
            owner,
            shape.name,
            shape.component,
            _ports(shape, of_the_plant=False),
            selector=shape.service_selector or selector,
            labels=shape.labels,
            annotations=shape.service_annotations,
            service_type=shape.service_type,
        ),
        stateful_set(owner, _workload(owner, shape, images, selector, configuration, admin)),
    ]
    if shape.nodes > 1:
        objects.append(disruption_budget(owner, shape.name, shape.component, selector, labels=shape.labels))
    return objects


def admin_definitions(username: str, password: str) -> str:
    """Return what a broker imports at every start: the administrator, with the password its Secret holds now."""
    return json.dumps(
        {
            "users": [{"name": username, "password": password, "tags": ["administrator"]}],
            "vhosts": [{"name": "/"}],
            "permissions": [{"user": username, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
        },
        sort_keys=True,
    )


def _workload(
    owner: Owner,
    shape: BrokerShape,
    images: Images,
    selector: Mapping[str, str],
    configuration: Mapping[str, str],
    admin: Mapping[str, str],
) -> Workload:
    return Workload(
        name=shape.name,
        component=shape.component,
        image=images.rabbitmq,
        pull_policy=images.pull_policy,
        command=(
            "sh",
            "-c",
            _START,
        ),
        ports=_ports(shape, of_the_plant=True),
        probes=probes(tcp(port_for_clients(shape.tls, "Amqp"))),
        cpu_request="50m",
        cpu_limit=shape.cpu,
        memory_request=_memory_request(shape.memory),
        memory_limit=shape.memory,
        environment=_environment(shape),
        mounts=(
            config_mount("configuration", "/etc/rabbitmq"),
            config_mount("admin", "/etc/rabbitmq-admin"),
            *(() if shape.tls is None else (config_mount("tls", FOLDER),)),
        ),
        volumes=(
            config_volume("configuration", shape.name),
            {
                **secret_volume("admin", shape.admin_secret),
                "secret": {
                    "secretName": shape.admin_secret,
                    "defaultMode": 0o440,
                    "items": [{"key": "definitions.json", "path": "definitions.json"}],
                },
            },
            *(() if shape.tls is None else (tls_volume(shape.tls),)),
        ),
        claims=(Claim(name="data", size=shape.storage, path=_DATA, storage_class=shape.storage_class),),
        labels=shape.labels,
        selector=selector,
        annotations=scrape(METRICS_PORT) | ({} if shape.tls is None else {TLS_ANNOTATION: "true"}),
        config_hash=digest(configuration, dict(admin)),
        replicas=shape.nodes,
        service_name=f"{shape.name}-nodes",
        grace_seconds=60,
    )


def _environment(shape: BrokerShape) -> list[dict[str, Any]]:
    schedulers = max(1, round(amount(shape.cpu))) if shape.cpu else 1
    arguments = [_ERLANG.format(schedulers=schedulers), _LOOPBACK]
    arguments += [] if shape.tls is None else [ERLANG_ARGUMENTS]
    values = {
        "HOME": "/tmp/rabbitmq",  # the pod's own empty folder
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_MNESIA_BASE": f"{_DATA}/mnesia",
        "RABBITMQ_FEATURE_FLAGS_FILE": f"{_DATA}/mnesia/feature_flags",
        "RABBITMQ_NODENAME": "rabbit@localhost",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": " ".join(arguments),
    }
    return environment(values, {"COOKIE": (shape.admin_secret, "cookie")})


def _configuration(owner: Owner, shape: BrokerShape) -> str:
    memory = int(amount(shape.memory) * 0.6) // MIB
    lines = [
        f"cluster_name = {owner.namespace}.{shape.name}",
        *listeners(shape.tls, mqtt=shape.mqtt),
        f"prometheus.tcp.port = {METRICS_PORT}",
        "load_definitions = /etc/rabbitmq-admin/definitions.json",
        "loopback_users = none",
        f"vm_memory_high_watermark.absolute = {memory}MiB",
        # A full volume must block publishers while the broker can still write its own records.
        f"disk_free_limit.absolute = {max(50, int(amount(shape.storage) * 0.1) // MIB)}MiB",
        "log.console = true",
        "log.console.level = warning",
        "management_agent.disable_metrics_collector = false",
        "deprecated_features.permit.management_metrics_collection = true",
    ]
    if shape.mqtt:
        lines += [
            "mqtt.allow_anonymous = false",
            "mqtt.vhost = /",
            f"mqtt.exchange = {shape.mqtt_exchange}",
        ]
    return "\n".join(lines) + "\n"


def _plugins(shape: BrokerShape) -> str:
    names = [name for name in PLUGINS if shape.mqtt or name != "rabbitmq_mqtt"]
    return f"[{','.join(names)}].\n"


def _memory_request(limit: str) -> str:
    return f"{max(64, min(160, int(amount(limit)) // MIB // 2))}Mi"
