"""Spark in pods: a standalone master, a StatefulSet of workers for each pool, and the streaming driver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vpp_contract import environment as variables
from vpp_contract.names import DRIVER_PORT, VPP_LABEL
from vpp_contract.plant import PLANT_FILE
from vpp_operator.api.vppcluster import VPPClusterSpec, WorkerPool
from vpp_operator.resources import names
from vpp_operator.resources.control import control_address
from vpp_operator.resources.hdfs import storage_url, webhdfs_url
from vpp_operator.resources.images import Images
from vpp_operator.resources.metadata import (
    COMPONENT_LABEL,
    POOL_LABEL,
    Owner,
    digest,
    disruption_budget,
    environment,
    selector_labels,
    service,
)
from vpp_operator.resources.quantities import mebibytes
from vpp_operator.resources.workload import (
    Claim,
    Workload,
    config_mount,
    config_volume,
    http,
    probes,
    scrape,
    stateful_set,
    tcp,
)

MASTER: Final = "spark-master"
WORKER: Final = "worker"
DRIVER: Final = "driver"
MASTER_PORTS: Final = {"spark": 7077, "web": 8080}
WORKER_WEB_PORT: Final = 8081
DRIVER_PORTS: Final = {"driver": 7078, "blocks": 7079, "ui": 4040, "progress": DRIVER_PORT}
_DAEMON_HEAP: Final = "192m"
_JVM: Final = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xss512k"
# What a worker's pod needs besides its executor's heap: the worker itself, the executor's other memory, Python.
_BESIDES_HEAP_MIB: Final = 640
# Spark refuses executors whose heap, less a survivor space, is under one and a half times its reserve of 300 MiB.
_SMALLEST_HEAP_MIB: Final = 512
_SHARED: Final = "data"
_PLANT_FOLDER: Final = "/etc/vpp/plant"


def spark(owner: Owner, spec: VPPClusterSpec, images: Images, workers: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the master and the pools with so many `workers` each."""
    master, pods = names.spark_master(owner.vpp), names.workers(owner.vpp)
    web = {"web": WORKER_WEB_PORT}
    worker_labels = selector_labels(owner.vpp, WORKER)
    return [
        service(owner, master, MASTER, MASTER_PORTS, selector=selector_labels(owner.vpp, MASTER), headless=True),
        stateful_set(owner, _master(owner, spec, images)),
        service(owner, pods, WORKER, web, selector=worker_labels, headless=True),
        disruption_budget(owner, pods, WORKER, worker_labels),
        *(stateful_set(owner, _pool(owner, spec, images, pool, workers[pool.name])) for pool in spec.worker_pools),
    ]


def driver(
    owner: Owner, spec: VPPClusterSpec, images: Images, accounts: Mapping[str, Any], *, marks: bool = False
) -> list[dict[str, Any]]:
    """Return the streaming driver.

    Args:
        owner: the VPPCluster.
        spec: of it.
        images: to run.
        accounts: the Secrets it reads at its start; another one renews the pod.
        marks: whether gateways wait to hear what the twin has taken.
    """
    name = names.driver(owner.vpp)
    return [
        service(owner, name, DRIVER, DRIVER_PORTS, selector=selector_labels(owner.vpp, DRIVER), headless=True),
        stateful_set(owner, _driver(owner, spec, images, accounts, marks)),
    ]


def master_url(owner: Owner) -> str:
    """Return the address that workers and applications know the master by."""
    return f"spark://{names.service_host(names.spark_master(owner.vpp), owner.namespace)}:{MASTER_PORTS['spark']}"


def executor_heap_mib(pool: WorkerPool) -> int:
    """Return how much heap an executor of a pool's workers gets."""
    return max(_SMALLEST_HEAP_MIB, mebibytes(pool.memory) - _BESIDES_HEAP_MIB)


def workers_per_pool(spec: VPPClusterSpec) -> dict[str, int]:
    """Return how many workers of each pool are up: its minimum, or the cheapest cover of the pinned number.

    The cheapest pools by power per core come first.
    """
    workers = {pool.name: pool.min for pool in spec.worker_pools}
    if spec.pinned is None:
        return workers
    missing = spec.pinned - sum(workers.values())
    for pool in sorted(spec.worker_pools, key=lambda pool: (pool.max_watts / pool.cores, pool.name)):
        more = max(0, min(missing, pool.max - workers[pool.name]))
        workers[pool.name] += more
        missing -= more
    return workers


def _master(owner: Owner, spec: VPPClusterSpec, images: Images) -> Workload:
    options = (
        "-Dspark.deploy.recoveryMode=FILESYSTEM",
        "-Dspark.deploy.recoveryDirectory=/data/recovery",
        "-Dspark.master.ui.decommission.allow.mode=ALLOW",
        "-Dspark.worker.timeout=20",
        "-Dspark.deploy.retainedApplications=5",
        "-Dspark.deploy.retainedDrivers=5",
        _JVM,
    )
    command = (
        "mkdir -p /data/recovery;"
        f' exec spark-class org.apache.spark.deploy.master.Master --host "$(hostname -f)"'
        f" --port {MASTER_PORTS['spark']} --webui-port {MASTER_PORTS['web']}"
    )
    return Workload(
        name=names.spark_master(owner.vpp),
        component=MASTER,
        image=images.spark,
        pull_policy=images.pull_policy,
        command=("sh", "-c", command),
        ports=MASTER_PORTS,
        probes=probes(tcp(MASTER_PORTS["web"])),
        cpu_request="20m",
        memory_request="192Mi",
        memory_limit="512Mi",
        environment=environment(
            _base() | {"SPARK_DAEMON_MEMORY": _DAEMON_HEAP, "SPARK_MASTER_OPTS": " ".join(options)}
        ),
        claims=(Claim(name="data", size="100Mi", path="/data", storage_class=spec.storage.storage_class_name),),
    )


def _pool(owner: Owner, spec: VPPClusterSpec, images: Images, pool: WorkerPool, replicas: int) -> Workload:
    command = (
        'exec spark-class org.apache.spark.deploy.worker.Worker --host "$(hostname -f)"'
        f" --cores {pool.cores} --memory {executor_heap_mib(pool)}m --webui-port {WORKER_WEB_PORT} {master_url(owner)}"
    )
    volumes, mounts, affinity = shared_volume(owner, spec)
    return Workload(
        name=names.pool(owner.vpp, pool.name),
        component=WORKER,
        image=images.spark,
        pull_policy=images.pull_policy,
        command=("sh", "-c", command),
        ports={"web": WORKER_WEB_PORT},
        probes=probes(tcp(WORKER_WEB_PORT)),
        cpu_request="50m",
        cpu_limit=str(pool.cores),
        memory_request="256Mi",
        memory_limit=pool.memory,
        environment=environment(
            _base()
            | {
                "SPARK_DAEMON_MEMORY": _DAEMON_HEAP,
                "SPARK_WORKER_OPTS": f"-Dspark.decommission.enabled=true -Dspark.worker.cleanup.enabled=true {_JVM}",
            }
        ),
        mounts=mounts,
        volumes=volumes,
        labels={POOL_LABEL: pool.name},
        selector={**selector_labels(owner.vpp, WORKER), POOL_LABEL: pool.name},
        replicas=replicas,
        service_name=names.workers(owner.vpp),
        grace_seconds=15,
        affinity=affinity,
    )


def _driver(owner: Owner, spec: VPPClusterSpec, images: Images, accounts: Mapping[str, Any], marks: bool) -> Workload:
    name, reader = names.driver(owner.vpp), names.reader_secret(owner.vpp)
    influx = names.influxdb_secret(owner.vpp)
    control = control_address(owner, spec)
    settings = spec.streaming
    heap = max(384, mebibytes(settings.driver.memory) // 2)
    values = _base() | {
        variables.VPP_NAME: owner.vpp,
        variables.VPP_NAMESPACE: owner.namespace,
        variables.CONTROL_HOST: control.host,
        variables.CONTROL_PORT: str(control.amqp_port),
        **({variables.CONTROL_TLS: "true"} if control.tls else {}),
        variables.STORAGE_URL: storage_url(owner, spec),
        variables.STORAGE_REPLICATION: str(spec.storage.replication if spec.storage.type == "HDFS" else 0),
        variables.WEBHDFS_URL: webhdfs_url(owner, spec),
        variables.SPARK_MASTER: master_url(owner),
        variables.TRIGGER_SECONDS: f"{settings.trigger_seconds:g}",
        variables.SHUFFLE_PARTITIONS: str(settings.shuffle_partitions),
        variables.ENERGY_WINDOW_HOURS: str(settings.energy_window_hours),
        variables.PROGRESS_PORT: str(DRIVER_PORT),
        variables.DRIVER_HOST: names.pod_host(f"{name}-0", name, owner.namespace),
        variables.MARKS: str(int(marks)),
        variables.PLANT_FILE: f"{_PLANT_FOLDER}/{PLANT_FILE}",
        variables.EXECUTOR_MEMORY: f"{min(executor_heap_mib(pool) for pool in spec.worker_pools)}m",
        "SPARK_DRIVER_MEMORY": f"{heap}m",
    }
    hidden = {
        variables.CONTROL_USERNAME: (reader, "username"),
        variables.CONTROL_PASSWORD: (reader, "password"),
        variables.CHANNEL_USERNAME: (reader, "username"),
        variables.CHANNEL_PASSWORD: (reader, "password"),
        variables.INFLUX_URL: (influx, "url"),
        variables.INFLUX_ORG: (influx, "org"),
        variables.INFLUX_BUCKET: (influx, "bucket"),
        variables.INFLUX_TOKEN: (influx, "token"),
    }
    if spec.tls is not None:
        hidden[variables.BROKER_AUTHORITY] = (names.broker_authority_secret(owner.vpp), "ca.crt")
    storage = spec.storage
    claims = (
        (Claim(name=_SHARED, size=storage.size, path="/data", storage_class=storage.storage_class_name),)
        if storage.type == "Volume"
        else ()
    )
    return Workload(
        name=name,
        component=DRIVER,
        image=images.spark,
        pull_policy=images.pull_policy,
        command=("python", "-m", "vpp_workloads.streaming"),
        ports=DRIVER_PORTS,
        probes=probes(http(DRIVER_PORT, "/healthz"), startup_seconds=300),
        cpu_request="100m",
        cpu_limit=settings.driver.cpu,
        memory_request="384Mi",
        memory_limit=settings.driver.memory,
        environment=environment(values, hidden),
        mounts=(config_mount("plant", _PLANT_FOLDER),),
        volumes=(config_volume("plant", names.plant(owner.vpp)),),
        claims=claims,
        annotations=scrape(DRIVER_PORT),
        config_hash=digest(accounts),
        grace_seconds=20,
    )


def _base() -> dict[str, str]:
    # Spark resolves its own host name early; a name without a dot is not what others can reach.
    return {"HOME": "/tmp", "HADOOP_USER_NAME": "vpp", "SPARK_NO_DAEMONIZE": "true"}


def shared_volume(
    owner: Owner, spec: VPPClusterSpec
) -> tuple[tuple[dict[str, Any], ...], tuple[dict[str, Any], ...], dict[str, Any] | None]:
    """Return what other pods need to write to the driver's volume: they mount it too, on the same node."""
    if spec.storage.type != "Volume":
        return (), (), None
    claim = f"{_SHARED}-{names.driver(owner.vpp)}-0"
    beside_driver = {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {VPP_LABEL: owner.vpp, COMPONENT_LABEL: DRIVER}},
    }
    return (
        ({"name": _SHARED, "persistentVolumeClaim": {"claimName": claim}},),
        ({"name": _SHARED, "mountPath": "/data"},),
        {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [beside_driver]}},
    )


def worker_selector(vpp: str) -> str:
    """Return the label selector of all workers of a plant, as text."""
    return ",".join(f"{name}={value}" for name, value in selector_labels(vpp, WORKER).items())
