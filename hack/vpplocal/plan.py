"""What runs on the node and with which settings: pure text and numbers, no input or output.

Unusual settings come from running on a machine without systemd and, maybe, with cgroup v1. Paths are those inside the
node's namespaces, where /var/lib, /var/log and /run are its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vpplocal.instance import Instance

NODE = "/var/lib/node"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
ROUTER_USER = "kube-router"
PAUSE_IMAGE = "localhost/vpp-pause:1"


def config_files(instance: Instance) -> dict[str, str]:
    """Return the configuration files of the node's folder by name."""
    cni = {
        "cniVersion": "0.4.0",
        "name": "vpp-local",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods0",
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": str(instance.pod_network)}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{instance.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "evictionHard": {},
        "resolvConf": "",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "clusterDNS": [instance.dns_service],
        "clusterDomain": "cluster.local",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{NODE}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "serializeImagePulls": False,
        "maxPods": 200,
        "syncFrequency": "10s",
        "nodeStatusUpdateFrequency": "5s",
        "shutdownGracePeriod": "0s",
    }
    proxy = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{NODE}/proxy.kubeconfig"},
        "mode": "iptables",
        "conntrack": {"maxPerCore": 0},
        "clusterCIDR": str(instance.pod_network),
        "iptables": {"syncPeriod": "30s", "minSyncPeriod": "0s"},
    }
    return {
        "cni/10-vpp-local.conflist": json.dumps(cni),
        "containerd.toml": _containerd(),
        "kubelet.json": json.dumps(kubelet),
        "kube-proxy.json": json.dumps(proxy),
    }


def _containerd() -> str:
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{NODE}/cni"
[plugins."io.containerd.internal.v1.opt"]
path = "/var/lib/containerd-opt"
"""


def programs(instance: Instance, binaries: dict[str, Path]) -> list[dict[str, Any]]:
    """Return the node's programs in the order they start: name, command, and the port that must listen before."""
    api = (instance.node_address, 6443)

    def program(name: str, *command: str, after: tuple[str, int] | None = api) -> dict[str, Any]:
        return {"name": name, "command": command, "after": after}

    return [
        program(
            "etcd", "etcd", "--data-dir=/var/lib/etcd", "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync", "--log-level=warn", after=None,
        ),
        program(
            "kube-apiserver", str(binaries["kube-apiserver"]),
            "--etcd-servers=http://127.0.0.1:2379", "--secure-port=6443",
            f"--advertise-address={instance.node_address}", f"--service-cluster-ip-range={instance.service_network}",
            f"--tls-cert-file={NODE}/apiserver.crt", f"--tls-private-key-file={NODE}/apiserver.key",
            f"--client-ca-file={NODE}/ca.crt", f"--service-account-key-file={NODE}/service-accounts.pub",
            f"--service-account-signing-key-file={NODE}/service-accounts.key",
            "--service-account-issuer=https://kubernetes.default.svc", "--authorization-mode=Node,RBAC",
            f"--kubelet-client-certificate={NODE}/admin.crt", f"--kubelet-client-key={NODE}/admin.key",
            "--kubelet-preferred-address-types=InternalIP", "--allow-privileged=true", "--profiling=false",
            after=("127.0.0.1", 2379),
        ),
        program("containerd", "containerd", f"--config={NODE}/containerd.toml", after=None),
        program(
            "kube-controller-manager", str(binaries["kube-controller-manager"]),
            f"--kubeconfig={NODE}/controller-manager.kubeconfig", f"--root-ca-file={NODE}/ca.crt",
            f"--service-account-private-key-file={NODE}/service-accounts.key", "--use-service-account-credentials",
            "--leader-elect=false", f"--cluster-cidr={instance.pod_network}", "--profiling=false",
        ),
        program(
            "kube-scheduler", str(binaries["kube-scheduler"]), f"--kubeconfig={NODE}/scheduler.kubeconfig",
            "--leader-elect=false", "--profiling=false",
        ),
        program(
            "kubelet", str(binaries["kubelet"]), f"--config={NODE}/kubelet.json",
            f"--kubeconfig={NODE}/kubelet.kubeconfig",
            "--root-dir=/var/lib/kubelet", "--hostname-override=node", f"--node-ip={instance.node_address}",
        ),
        program(
            "kube-proxy", str(binaries["kube-proxy"]), f"--config={NODE}/kube-proxy.json", "--hostname-override=node",
        ),
        # Of its three tasks the policies alone: addresses are the CNI plugin's, Services kube-proxy's.
        program(
            "kube-router", str(binaries["kube-router"]), "--run-firewall=true", "--run-router=false",
            "--run-service-proxy=false", "--enable-cni=false", f"--kubeconfig={NODE}/{ROUTER_USER}.kubeconfig",
            f"--service-cluster-ip-range={instance.service_network}", "--hostname-override=node", "--health-port=0",
            after=(instance.node_address, 10250),  # kubelet, which registers the node that kube-router looks for
        ),
    ]  # fmt: skip
