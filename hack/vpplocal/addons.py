"""What a cluster needs beside Kubernetes itself: names (CoreDNS), volumes (local-path-provisioner), Prometheus.

Also what kube-router, which runs beside the pods, may read. Pure manifests. Prometheus scrapes every pod that asks for
it with the usual annotations `prometheus.io/scrape`, `prometheus.io/port` and `prometheus.io/path`.
"""

from __future__ import annotations

import json
from typing import Any

from vpplocal.images import BASE_IMAGE, COREDNS_IMAGE, PROMETHEUS_IMAGE, PROVISIONER_IMAGE
from vpplocal.plan import ROUTER_USER

Manifest = dict[str, Any]

_PROVISIONER_NAMESPACE = "local-path-storage"
_MONITORING_NAMESPACE = "monitoring"
_COREFILE = """.:53 {
  errors
  health
  ready
  kubernetes cluster.local in-addr.arpa {
    ttl 5
  }
  prometheus :9153
  cache 5
  loop
}
"""
_PROMETHEUS = """
global: {scrape_interval: 5s, scrape_timeout: 4s}
scrape_configs:
- job_name: pods
  kubernetes_sd_configs: [{role: pod}]
  relabel_configs:
  - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], action: keep, regex: "true"}
  - {source_labels: [__meta_kubernetes_pod_phase], action: drop, regex: "Succeeded|Failed"}
  - source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path]
    target_label: __metrics_path__
    regex: (.+)
  - source_labels: [__meta_kubernetes_pod_ip, __meta_kubernetes_pod_annotation_prometheus_io_port]
    target_label: __address__
    regex: (.+);(.+)
    replacement: $1:$2
  - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
  - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
"""


def manifests(dns_address: str) -> list[Manifest]:
    """Return the add-ons' manifests; `dns_address` is the cluster IP that kubelet gives to pods."""
    return [*_router_rights(), *_coredns(dns_address), *_provisioner(), *_prometheus()]


def _object(kind: str, name: str, namespace: str | None = None, api: str = "v1", **rest: Any) -> Manifest:
    metadata = {"name": name} if namespace is None else {"name": name, "namespace": namespace}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def _role(name: str, rules: list[Manifest], namespace: str) -> list[Manifest]:
    account = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return [_object("ServiceAccount", name, namespace), *_rights(name, rules, account)]


def _rights(name: str, rules: list[Manifest], subject: Manifest) -> list[Manifest]:
    group = "rbac.authorization.k8s.io"
    role = {"apiGroup": group, "kind": "ClusterRole", "name": name}
    return [
        _object("ClusterRole", name, api=f"{group}/v1", rules=rules),
        _object("ClusterRoleBinding", name, api=f"{group}/v1", roleRef=role, subjects=[subject]),
    ]


def _deployment(name: str, namespace: str, container: Manifest, config: str, **pod: Any) -> Manifest:
    labels = {"app.kubernetes.io/name": name}
    return _object(
        "Deployment",
        name,
        namespace,
        api="apps/v1",
        spec={
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": name,
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": name, "imagePullPolicy": "Never", **container}],
                    "volumes": [{"name": "config", "configMap": {"name": config}}],
                    **pod,
                },
            },
        },
    )


def _rule(groups: list[str], resources: list[str], *verbs: str) -> Manifest:
    return {"apiGroups": groups, "resources": resources, "verbs": list(verbs)}


def _router_rights() -> list[Manifest]:
    rules = [
        _rule([""], ["nodes", "namespaces", "pods", "services", "endpoints"], "get", "list", "watch"),
        _rule(["discovery.k8s.io"], ["endpointslices"], "get", "list", "watch"),
        _rule(["networking.k8s.io"], ["networkpolicies"], "get", "list", "watch"),
    ]
    user = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": ROUTER_USER}
    return _rights(ROUTER_USER, rules, user)


def _coredns(address: str) -> list[Manifest]:
    namespace = "kube-system"
    container = {
        "image": COREDNS_IMAGE,
        "args": ["-conf", "/etc/coredns/Corefile"],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1},
    }
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]
    return [
        *_role(
            "coredns",
            [
                _rule([""], ["endpoints", "services", "pods", "namespaces"], "list", "watch"),
                _rule(["discovery.k8s.io"], ["endpointslices"], "list", "watch"),
            ],
            namespace,
        ),
        _object("ConfigMap", "coredns", namespace, data={"Corefile": _COREFILE}),
        _deployment("coredns", namespace, container, "coredns", dnsPolicy="Default"),
        _object(
            "Service",
            "kube-dns",
            namespace,
            spec={"clusterIP": address, "selector": {"app.kubernetes.io/name": "coredns"}, "ports": ports},
        ),
    ]


def _provisioner() -> list[Manifest]:
    name, namespace = "local-path-provisioner", _PROVISIONER_NAMESPACE
    helper = _object("Pod", "helper-pod")
    helper["spec"] = {"containers": [{"name": "helper-pod", "image": BASE_IMAGE, "imagePullPolicy": "Never"}]}
    paths = [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": ["/var/lib/volumes"]}]
    settings = {
        "config.json": json.dumps({"nodePathMap": paths}),
        "setup": '#!/bin/sh\nset -eu\nmkdir -m 0777 -p "$VOL_DIR"\n',
        "teardown": '#!/bin/sh\nset -eu\nrm -rf "$VOL_DIR"\n',
        "helperPod.yaml": json.dumps(helper),
    }
    container = {
        "image": PROVISIONER_IMAGE,
        "args": [
            "start",
            "--config=/etc/config/config.json",
            f"--service-account-name={name}",
            f"--configmap-name={name}",
            "--worker-threads=8",
        ],
        "env": [
            {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "CONFIG_MOUNT_PATH", "value": "/etc/config/"},
        ],
        "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}],
    }
    rules = [
        _rule([""], ["nodes", "persistentvolumeclaims", "configmaps", "pods/log"], "get", "list", "watch"),
        _rule([""], ["persistentvolumes", "pods", "endpoints"], "*"),
        _rule([""], ["events"], "create", "patch"),
        _rule(["storage.k8s.io"], ["storageclasses"], "get", "list", "watch"),
    ]
    storage_class = _object(
        "StorageClass",
        "local-path",
        api="storage.k8s.io/v1",
        provisioner="rancher.io/local-path",
        volumeBindingMode="WaitForFirstConsumer",
        reclaimPolicy="Delete",
    )
    storage_class["metadata"]["annotations"] = {"storageclass.kubernetes.io/is-default-class": "true"}
    return [
        _object("Namespace", namespace),
        *_role(name, rules, namespace),
        _object("ConfigMap", name, namespace, data=settings),
        _deployment(name, namespace, container, name),
        storage_class,
    ]


def _prometheus() -> list[Manifest]:
    name, namespace = "prometheus", _MONITORING_NAMESPACE
    container = {
        "image": PROMETHEUS_IMAGE,
        "args": [
            "--config.file=/etc/prometheus/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            "--storage.tsdb.retention.time=6h",
        ],
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/prometheus"},
            {"name": "data", "mountPath": "/prometheus"},
        ],
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": 9090}, "periodSeconds": 2},
    }
    volumes = [{"name": "config", "configMap": {"name": name}}, {"name": "data", "emptyDir": {}}]
    return [
        _object("Namespace", namespace),
        *_role(name, [_rule([""], ["pods", "services", "endpoints"], "get", "list", "watch")], namespace),
        _object("ConfigMap", name, namespace, data={"prometheus.yml": _PROMETHEUS}),
        _deployment(
            name, namespace, container, name, volumes=volumes, securityContext={"runAsUser": 65534, "fsGroup": 65534}
        ),
        _object(
            "Service",
            name,
            namespace,
            spec={"selector": {"app.kubernetes.io/name": name}, "ports": [{"name": "web", "port": 9090}]},
        ),
    ]
