"""Real servers for integration tests: pods on the test cluster, from the operator's own manifest builders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vpp_contract.names import INGRESS_EXCHANGE
from vpp_operator.api.vppcluster import VPPClusterSpec, parse_vppcluster_spec
from vpp_operator.ports import BrokerAddress, InfluxAddress, ServerIdentity
from vpp_operator.resources import broker, hdfs, influxdb, names, tls
from vpp_operator.resources.images import Images
from vpp_operator.resources.metadata import Owner
from vpp_operator.resources.secret_values import secret
from vppdemo.kube import DemoError, Kube, wait_until

VPP = "it"
ADMIN = {"username": "vpp-operator", "password": "admins-password", "cookie": "COOKIE"}
ADMIN["definitions.json"] = broker.admin_definitions(ADMIN["username"], ADMIN["password"])
INFLUX_SECRET = {"password": "influx-password", "token": "first-token", "org": "vpp", "bucket": "vpp", "url": "-"}
READY_SECONDS = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """A namespace of servers, each started when it is first asked for."""

    kube: Kube
    owner: Owner
    images: Images

    @property
    def namespace(self) -> str:
        """The namespace all of them are in."""
        return self.owner.namespace

    def rabbitmq(
        self,
        name: str = "rabbit",
        *,
        cpu: str = "1",
        mqtt_exchange: str = INGRESS_EXCHANGE,
        with_tls: tls.BrokerTls | None = None,
    ) -> BrokerAddress:
        """Start a single broker with a CPU limit, with TLS where it is given, and return its administrator's access.

        MQTT clients use `mqtt_exchange`.
        """
        shape = broker.BrokerShape(
            name=name,
            component="channel",
            admin_secret=names.admin_secret(name),
            nodes=1,
            cpu=cpu,
            memory="512Mi",
            storage="1Gi",
            mqtt_exchange=mqtt_exchange,
            labels={"vpp.energy/channels": name},
            tls=with_tls,
        )
        admin = secret(self.owner, names.admin_secret(name), "channel", ADMIN)
        secrets = [admin, *(tls.tls_secrets(self.owner, with_tls) if with_tls is not None else ())]
        self._start([*secrets, *broker.broker(self.owner, shape, self.images, ADMIN)], f"{name}-0")
        address = self.address(f"{name}-0")
        plain = BrokerAddress(
            host=address,
            amqp_port=tls.AMQP_PORT,
            management_url=f"http://{address}:{tls.MANAGEMENT_PORT}",
            username=ADMIN["username"],
            password=ADMIN["password"],
        )
        if with_tls is None:
            return plain
        pod = names.pod_host(f"{name}-0", f"{name}-nodes", self.namespace)
        return replace(
            plain,
            amqp_port=tls.AMQP_TLS_PORT,
            management_url=f"https://{address}:{tls.MANAGEMENT_TLS_PORT}",
            tls=ServerIdentity(name=pod, authority=with_tls.authority),
        )

    def influxdb(self) -> InfluxAddress:
        """Start an InfluxDB that nobody has set up yet."""
        name = names.influxdb(VPP)
        made = secret(self.owner, names.influxdb_secret(VPP), "influxdb", INFLUX_SECRET)
        self._start([made, *influxdb.influxdb(self.owner, spec(), self.images, INFLUX_SECRET)], f"{name}-0")
        url = f"http://{self.address(f'{name}-0')}:{influxdb.PORT}"
        return InfluxAddress(url=url, org="vpp", bucket="vpp", token=INFLUX_SECRET["token"])

    def hdfs(self) -> tuple[str, str]:
        """Start a name node and a data node; return their pods."""
        pods = f"{names.name_node(VPP)}-0", f"{names.data_node(VPP)}-0"
        self._start(hdfs.hdfs(self.owner, spec(), self.images), *pods)
        return pods

    def address(self, pod: str) -> str:
        """Return a pod's address, which this machine reaches."""
        return str(self.kube.get("pod", pod, "-n", self.namespace)["status"]["podIP"])

    def restart(self, pod: str) -> None:
        """Delete a pod and wait until its successor is ready."""
        uid = self.kube.get("pod", pod, "-n", self.namespace)["metadata"]["uid"]
        self.kube.run("delete", "pod", pod, "-n", self.namespace, "--wait=false", "--grace-period=1")
        self._wait(pod, other_than=uid)

    def _start(self, manifests: Sequence[Mapping[str, Any]], *pods: str) -> None:
        self.kube.apply(*manifests)
        for pod in pods:
            self._wait(pod)

    def _wait(self, pod: str, other_than: str = "") -> None:
        def ready() -> bool:
            try:
                found = self.kube.get("pod", pod, "-n", self.namespace)
            except DemoError:
                return False
            conditions = {item["type"]: item["status"] for item in found["status"].get("conditions", ())}
            return found["metadata"]["uid"] != other_than and conditions.get("Ready") == "True"

        wait_until(
            f"the pod {pod}",
            ready,
            timeout_seconds=READY_SECONDS,
            explain=lambda: f"see `kubectl -n {self.namespace} describe pod {pod}`",
            interval_seconds=0.5,
        )


def spec() -> VPPClusterSpec:
    """Return the smallest VPPCluster."""
    return parse_vppcluster_spec({"workerPools": [{"name": "small", "memory": "1536Mi"}]})


def start(kube: Kube, namespace: str, references: Mapping[str, str]) -> Servers:
    """Make the namespace and what owns everything in it."""
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": namespace}})
    uid = kube.get("configmap", "owner", "-n", namespace)["metadata"]["uid"]
    owner = Owner(api_version="v1", kind="ConfigMap", name="owner", namespace=namespace, uid=uid, vpp=VPP)
    images = Images(**{name.removeprefix("vpp-"): reference for name, reference in references.items() if name in USED})
    return Servers(kube=kube, owner=owner, images=images)


USED = frozenset({"vpp-rabbitmq", "vpp-hdfs", "vpp-influxdb", "vpp-spark", "vpp-edge", "vpp-nanogrid"})
