"""HDFS in pods: one name node, some data nodes; history and checkpoints live in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from xml.sax.saxutils import escape

from vpp_operator.api.vppcluster import VPPClusterSpec
from vpp_operator.resources import names
from vpp_operator.resources.images import Images
from vpp_operator.resources.metadata import (
    Owner,
    config_map,
    digest,
    disruption_budget,
    environment,
    from_pod,
    selector_labels,
    service,
)
from vpp_operator.resources.workload import (
    Claim,
    Workload,
    config_mount,
    config_volume,
    probes,
    stateful_set,
    tcp,
)

NAME_NODE: Final = "hdfs-namenode"
DATA_NODE: Final = "hdfs-datanode"
RPC_PORT: Final = 8020
WEB_PORT: Final = 9870
NAME_NODE_PORTS: Final = {"rpc": RPC_PORT, "web": WEB_PORT}
DATA_NODE_PORTS: Final = {"web": 9864, "data": 9866, "ipc": 9867}
_CONFIG: Final = "/etc/hadoop"
# Formatting an existing name node would forget every file: only an empty volume is formatted.
_NAME_NODE: Final = "[ -d /data/name/current ] || hdfs namenode -format -nonInteractive || exit 1; exec hdfs namenode"
# Daemons live long but do little: compiling them thoroughly would cost their neighbours seconds at every start.
_JVM: Final = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xss512k"


def hdfs(owner: Owner, spec: VPPClusterSpec, images: Images) -> list[dict[str, Any]]:
    """Return ConfigMap, Services and StatefulSets; none with another kind of storage."""
    if spec.storage.type != "HDFS":
        return []
    name_node, data_node = names.name_node(owner.vpp), names.data_node(owner.vpp)
    files = _files(owner, spec)
    objects = [
        config_map(owner, names.hdfs(owner.vpp), NAME_NODE, files),
        service(owner, name_node, NAME_NODE, NAME_NODE_PORTS, selector=selector_labels(owner.vpp, NAME_NODE)),
        service(
            owner,
            data_node,
            DATA_NODE,
            DATA_NODE_PORTS,
            selector=selector_labels(owner.vpp, DATA_NODE),
            headless=True,
        ),
        stateful_set(owner, _node(owner, spec, images, NAME_NODE, ("sh", "-c", _NAME_NODE), NAME_NODE_PORTS, files)),
        stateful_set(owner, _node(owner, spec, images, DATA_NODE, ("hdfs", "datanode"), DATA_NODE_PORTS, files)),
    ]
    if spec.storage.data_nodes > 1:
        objects.append(disruption_budget(owner, data_node, DATA_NODE, selector_labels(owner.vpp, DATA_NODE)))
    return objects


def storage_url(owner: Owner, spec: VPPClusterSpec) -> str:
    """Return the folder that history and checkpoint live in."""
    if spec.storage.type == "HDFS":
        return f"{_file_system(owner)}/vpp"
    return "file:///data/vpp" if spec.storage.type == "Volume" else spec.storage.url


def webhdfs_url(owner: Owner, spec: VPPClusterSpec) -> str:
    """Return the name node's HTTP address, empty where there is none."""
    if spec.storage.type == "External":
        return spec.storage.webhdfs_url
    if spec.storage.type != "HDFS":
        return ""
    return f"http://{names.service_host(names.name_node(owner.vpp), owner.namespace)}:{WEB_PORT}"


def _file_system(owner: Owner) -> str:
    return f"hdfs://{names.service_host(names.name_node(owner.vpp), owner.namespace)}:{RPC_PORT}"


def _node(
    owner: Owner,
    spec: VPPClusterSpec,
    images: Images,
    component: str,
    command: tuple[str, ...],
    ports: Mapping[str, int],
    files: Mapping[str, str],
) -> Workload:
    name = f"{owner.vpp}-{component}"
    variables = {
        "HOME": "/tmp",  # the pod's own empty folder
        "HADOOP_CONF_DIR": _CONFIG,
        "HADOOP_HEAPSIZE_MAX": "256m",
        "HADOOP_ROOT_LOGGER": "WARN,console",
        "HADOOP_LOG_DIR": "/tmp",
        "HADOOP_USER_NAME": "vpp",
        "HDFS_NAMENODE_OPTS": _JVM,
        "HDFS_DATANODE_OPTS": _JVM,
    }
    storage = spec.storage
    return Workload(
        name=name,
        component=component,
        image=images.hdfs,
        pull_policy=images.pull_policy,
        command=command,
        ports=ports,
        probes=probes(tcp(RPC_PORT if component == NAME_NODE else DATA_NODE_PORTS["web"])),
        cpu_request="30m",
        memory_request="192Mi",
        memory_limit="512Mi",
        environment=[from_pod("POD_NAME", "metadata.name"), *environment(variables)],
        mounts=(config_mount("configuration", _CONFIG),),
        volumes=(config_volume("configuration", names.hdfs(owner.vpp)),),
        claims=(Claim(name="data", size=storage.size, path="/data", storage_class=storage.storage_class_name),),
        config_hash=digest(files),
        replicas=1 if component == NAME_NODE else storage.data_nodes,
    )


def _files(owner: Owner, spec: VPPClusterSpec) -> dict[str, str]:
    core = {"fs.defaultFS": _file_system(owner)}
    site = {
        "dfs.namenode.name.dir": "/data/name",
        "dfs.datanode.data.dir": "/data/data",
        "dfs.replication": str(spec.storage.replication),
        # Who may reach HDFS is decided by network policy; it would trust any user name it is told.
        "dfs.permissions.enabled": "false",
        "dfs.namenode.rpc-address": f"{names.name_node(owner.vpp)}:{RPC_PORT}",
        "dfs.namenode.http-address": f"{names.name_node(owner.vpp)}:{WEB_PORT}",
        "dfs.namenode.rpc-bind-host": "0.0.0.0",  # the pod's own interfaces
        "dfs.namenode.http-bind-host": "0.0.0.0",
        # Pods' addresses change and have no name by themselves.
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        "dfs.client.use.datanode.hostname": "true",
        "dfs.datanode.hostname": f"${{env.POD_NAME}}.{names.service_host(names.data_node(owner.vpp), owner.namespace)}",
        "dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER",
        "dfs.namenode.safemode.extension": "0",
        "dfs.heartbeat.interval": "1",
        "dfs.namenode.heartbeat.recheck-interval": "15000",
        "dfs.namenode.handler.count": "4",
        "dfs.datanode.handler.count": "3",
        "dfs.blockreport.initialDelay": "0",
        "dfs.image.compress": "true",
    }
    return {"core-site.xml": _xml(core), "hdfs-site.xml": _xml(site)}


def _xml(properties: Mapping[str, str]) -> str:
    lines = [
        f"  <property><name>{escape(name)}</name><value>{escape(value)}</value></property>"
        for name, value in properties.items()
    ]
    return "\n".join(['<?xml version="1.0"?>', "<configuration>", *lines, "</configuration>", ""])
