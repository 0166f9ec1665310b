"""Servers that a plant uses and does not own: RabbitMQ, InfluxDB and HDFS that somebody else runs, as plain pods."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vppdemo.kube import Kube, wait_until

INFLUX_ORG, INFLUX_BUCKET, INFLUX_TOKEN = "energy", "region", "outside-token-0123456789"
HDFS_FOLDER = "/vpp/region"
BROKER_USERNAME, BROKER_PASSWORD = "region-admin", "outside-password"

_RABBITMQ = """
mkdir -p /tmp/rabbitmq && cd /tmp/rabbitmq
printf 'default_user = %s\\ndefault_pass = %s\\nloopback_users = none\\n' "$ADMIN" "$PASSWORD" > rabbitmq.conf
printf '[rabbitmq_management,rabbitmq_stream,rabbitmq_mqtt,rabbitmq_consistent_hash_exchange].' > plugins
export RABBITMQ_CONFIG_FILE=$PWD/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS_FILE=$PWD/plugins RABBITMQ_MNESIA_BASE=$PWD
exec rabbitmq-server
"""
# Its owner gives the user vpp a folder and, by dfs.permissions.enabled, nothing else. The data node comes up last.
_HDFS = """
mkdir -p $HADOOP_CONF_DIR && cd $HADOOP_CONF_DIR
printf %s "$CORE_SITE" > core-site.xml
printf %s "$HDFS_SITE" > hdfs-site.xml
hdfs namenode -format -nonInteractive
hdfs namenode &
until hdfs dfs -mkdir -p "$FOLDER" && hdfs dfs -chown vpp "$FOLDER"; do sleep 1; done
exec hdfs datanode
"""


def run_rabbitmq(kube: Kube, namespace: str, image: str) -> str:
    """Start a RabbitMQ and return its host name."""
    environment = {
        "HOME": "/tmp/rabbitmq",
        "RABBITMQ_NODENAME": "rabbit@localhost",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        "ADMIN": BROKER_USERNAME,
        "PASSWORD": BROKER_PASSWORD,
    }
    _run(kube, namespace, "outside-rabbitmq", image, ("sh", "-c", _RABBITMQ), environment, (5672, 15672))
    return f"outside-rabbitmq.{namespace}.svc"


def broker_users(kube: Kube, namespace: str) -> set[str]:
    """Return the names of the accounts on that RabbitMQ."""
    command = ("rabbitmqctl", "--quiet", "--formatter", "json", "list_users")
    listed = json.loads(kube.run("exec", "-n", namespace, "outside-rabbitmq", "--", *command))
    return {user["user"] for user in listed}


def run_influxdb(kube: Kube, namespace: str, image: str) -> str:
    """Start an InfluxDB, set it up with the organisation, bucket and token above, and return its URL."""
    environment = {
        "HOME": "/tmp",
        "INFLUXD_BOLT_PATH": "/tmp/influxd.bolt",
        "INFLUXD_SQLITE_PATH": "/tmp/influxd.sqlite",
        "INFLUXD_ENGINE_PATH": "/tmp/engine",
    }
    _run(kube, namespace, "outside-influxdb", image, ("influxd",), environment, (8086,))
    setup = {
        "username": "owner",
        "password": "outside-password",
        "org": INFLUX_ORG,
        "bucket": INFLUX_BUCKET,
        "token": INFLUX_TOKEN,
    }
    route = f"/api/v1/namespaces/{namespace}/pods/outside-influxdb:8086/proxy/api/v2/setup"
    kube.run("create", "--raw", route, "-f", "-", stdin=json.dumps(setup))
    return f"http://outside-influxdb.{namespace}.svc:8086"


def run_hdfs(kube: Kube, namespace: str, image: str) -> None:
    """Start an HDFS at `hdfs_url` that has a folder for the user vpp, and nothing else that vpp may write to."""
    host = f"outside-hdfs.{namespace}.svc"
    site = {
        "dfs.namenode.name.dir": "/tmp/hadoop/name",
        "dfs.namenode.rpc-bind-host": "0.0.0.0",
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.datanode.data.dir": "/tmp/hadoop/data",
        "dfs.datanode.hostname": host,
        "dfs.replication": "1",
        "dfs.permissions.enabled": "true",
    }
    environment = {
        "HOME": "/tmp",
        "HADOOP_CONF_DIR": "/tmp/hadoop",
        "HADOOP_LOG_DIR": "/tmp",
        "HADOOP_ROOT_LOGGER": "WARN,console",
        "HADOOP_HEAPSIZE_MAX": "192m",
        "HADOOP_USER_NAME": "hdfs",
        "CORE_SITE": _xml({"fs.defaultFS": "hdfs://localhost:8020"}),
        "HDFS_SITE": _xml(site),
        "FOLDER": HDFS_FOLDER,
    }
    _run(kube, namespace, "outside-hdfs", image, ("sh", "-c", _HDFS), environment, (8020, 9870, 9866, 9864))


def hdfs_url(namespace: str) -> str:
    """Return the URL of the folder for the user vpp."""
    return f"hdfs://outside-hdfs.{namespace}.svc:8020{HDFS_FOLDER}"


def webhdfs_url(namespace: str) -> str:
    """Return the HTTP address of the name node."""
    return f"http://outside-hdfs.{namespace}.svc:9870"


def hdfs_files(kube: Kube, namespace: str) -> list[str]:
    """Return the paths of all files in the folder for the user vpp, below it."""
    command = ("hdfs", "dfs", "-find", HDFS_FOLDER, "-name", "*")
    listed = kube.run("exec", "-n", namespace, "outside-hdfs", "--", *command)
    return [path.removeprefix(f"{HDFS_FOLDER}/") for path in listed.split()]


def _xml(properties: Mapping[str, str]) -> str:
    listed = "".join(
        f"<property><name>{name}</name><value>{value}</value></property>" for name, value in properties.items()
    )
    return f"<configuration>{listed}</configuration>"


def _run(
    kube: Kube,
    namespace: str,
    name: str,
    image: str,
    command: tuple[str, ...],
    environment: Mapping[str, str],
    ports: tuple[int, ...],
) -> None:
    labels = {"app": name}
    container = {
        "name": name,
        "image": image,
        "command": list(command),
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "ports": [{"containerPort": port} for port in ports],
        "readinessProbe": {"tcpSocket": {"port": ports[-1]}, "periodSeconds": 1},
    }
    pod = _object("v1", "Pod", namespace, name, {"containers": [container]}, labels)
    listed = [{"name": f"p{port}", "port": port} for port in ports]
    service = _object("v1", "Service", namespace, name, {"selector": labels, "ports": listed}, labels)
    kube.apply(pod, service)

    def is_ready() -> bool:
        conditions = kube.get("pod", name, "-n", namespace)["status"].get("conditions", [])
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    wait_until(f"the start of {name}", is_ready, timeout_seconds=90, explain=lambda: "its pod is not ready")


def _object(
    version: str, kind: str, namespace: str, name: str, spec: Mapping[str, Any], labels: Mapping[str, str]
) -> Mapping[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
