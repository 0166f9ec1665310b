"""Versions of the running servers, asked from the servers themselves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from vppdemo.kube import DemoError, Kube


def running_versions(kube: Kube, namespace: str, vpp: str) -> dict[str, str]:
    """Return the versions of Kubernetes and the servers behind one VPPCluster; "unknown" where one gives no answer."""
    probes: dict[str, Callable[[], str]] = {
        "kubernetes": lambda: json.loads(kube.run("version", "-o", "json"))["serverVersion"]["gitVersion"].lstrip("v"),
        "rabbitmq": lambda: _rabbitmq(kube.pod_http(namespace, f"{vpp}-control-0", 15692, "/metrics")),
        "spark": lambda: kube.run(
            "exec",
            "-n",
            namespace,
            f"{vpp}-driver-0",
            "--",
            "python",
            "-c",
            "import pyspark; print(pyspark.__version__)",
        ).strip(),
        "hdfs": lambda: _hdfs(kube.pod_http(namespace, f"{vpp}-hdfs-namenode-0", 9870, "/jmx")),
        "influxdb": lambda: json.loads(kube.pod_http(namespace, f"{vpp}-influxdb-0", 8086, "/health"))[
            "version"
        ].lstrip("v"),
        "prometheus": lambda: _prometheus(kube),
    }
    versions = {}
    for name, probe in probes.items():
        try:
            versions[name] = probe()
        except (DemoError, ValueError, KeyError, IndexError):
            versions[name] = "unknown"
    return versions


def _rabbitmq(metrics: str) -> str:
    match = re.search(r'rabbitmq_version="([^"]+)"', metrics)
    if match is None:
        raise ValueError("rabbitmq_build_info is not among the broker's metrics")
    return match.group(1)


def _hdfs(jmx: str) -> str:
    beans = {bean["name"]: bean for bean in json.loads(jmx)["beans"]}
    return str(beans["Hadoop:service=NameNode,name=NameNodeInfo"]["SoftwareVersion"])


def _prometheus(kube: Kube) -> str:
    pods = kube.get("pods", "-n", "monitoring", "-l", "app.kubernetes.io/name=prometheus")["items"]
    answer = kube.pod_http("monitoring", pods[0]["metadata"]["name"], 9090, "/api/v1/status/buildinfo")
    return str(json.loads(answer)["data"]["version"])
