"""StatefulSets the way all components want them: non-root, read-only root, volumes kept, the operator replaces pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpp_operator.resources.metadata import CONFIG_ANNOTATION, Owner, common_labels, metadata, selector_labels
from vpp_operator.resources.quantities import amount, canonical

USER: Final = 10001
POD_SECURITY: Final = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: Final = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A volume of its own for every pod of a StatefulSet."""

    name: str
    size: str
    path: str
    storage_class: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What one component's pods are. `config_hash` covers what a pod reads only when it starts."""

    name: str
    component: str
    image: str
    pull_policy: str
    command: Sequence[str]
    ports: Mapping[str, int]
    probes: Mapping[str, Any]
    cpu_request: str
    memory_request: str
    memory_limit: str
    cpu_limit: str = ""
    environment: Sequence[Mapping[str, Any]] = ()
    mounts: Sequence[Mapping[str, Any]] = ()
    volumes: Sequence[Mapping[str, Any]] = ()
    claims: Sequence[Claim] = ()
    labels: Mapping[str, str] | None = None
    selector: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    config_hash: str = ""
    replicas: int = 1
    service_name: str = ""
    grace_seconds: int = 30
    affinity: Mapping[str, Any] | None = None


def stateful_set(owner: Owner, workload: Workload) -> dict[str, Any]:
    """Return the StatefulSet: Parallel, OnDelete, its volumes retained."""
    extra = dict(workload.labels or {})
    selector = dict(workload.selector or selector_labels(owner.vpp, workload.component))
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata(owner, workload.name, workload.component, labels=extra),
        "spec": {
            "replicas": workload.replicas,
            "serviceName": workload.service_name or workload.name,
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "OnDelete"},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {
                    "labels": {**common_labels(owner.vpp, workload.component), **extra},
                    "annotations": {CONFIG_ANNOTATION: workload.config_hash, **(workload.annotations or {})},
                },
                "spec": _pod(workload),
            },
            "volumeClaimTemplates": [_claim(owner, workload, claim) for claim in workload.claims],
        },
    }


def cron_job(
    owner: Owner, workload: Workload, *, schedule: str, suspend: bool, deadline_seconds: int
) -> dict[str, Any]:
    """Return a CronJob of which one run at most is under way; the last one and the last failed one stay to be read."""
    labels = {**common_labels(owner.vpp, workload.component), **(workload.labels or {})}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(owner, workload.name, workload.component, labels=workload.labels),
        "spec": {
            "schedule": schedule,
            "timeZone": "Etc/UTC",
            "suspend": suspend,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 300,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 1,
            "jobTemplate": {
                "metadata": {"labels": labels},
                "spec": {
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": deadline_seconds,
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {"restartPolicy": "Never", **_pod(workload)},
                    },
                },
            },
        },
    }


def _pod(workload: Workload) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": workload.grace_seconds,
        "securityContext": dict(POD_SECURITY),
        "containers": [
            {
                "name": workload.component,
                "image": workload.image,
                "imagePullPolicy": workload.pull_policy,
                "command": list(workload.command),
                # The kubelet shows what a program said before it failed, and the operator repeats it in a condition.
                "terminationMessagePolicy": "FallbackToLogsOnError",
                "env": [dict(variable) for variable in workload.environment],
                "ports": [
                    {"name": name, "containerPort": number, "protocol": "TCP"}
                    for name, number in workload.ports.items()
                ],
                "resources": _resources(workload),
                "securityContext": dict(CONTAINER_SECURITY),
                **workload.probes,
                "volumeMounts": [
                    {"name": "tmp", "mountPath": "/tmp"},  # the pod's own empty folder
                    *({"name": claim.name, "mountPath": claim.path} for claim in workload.claims),
                    *(dict(mount) for mount in workload.mounts),
                ],
            }
        ],
        "volumes": [{"name": "tmp", "emptyDir": {}}, *(dict(volume) for volume in workload.volumes)],
    }
    if workload.affinity:
        pod["affinity"] = dict(workload.affinity)
    return pod


def _resources(workload: Workload) -> dict[str, Any]:
    requests = {"cpu": workload.cpu_request, "memory": workload.memory_request}
    limits = {"memory": workload.memory_limit} | ({"cpu": workload.cpu_limit} if workload.cpu_limit else {})
    # A request above its limit is refused; what a person limits counts.
    requests = {name: min(value, limits.get(name, value), key=amount) for name, value in requests.items()}
    return {"requests": _canonical(requests), "limits": _canonical(limits)}


def _canonical(quantities: Mapping[str, str]) -> dict[str, str]:
    return {name: canonical(value) for name, value in quantities.items()}


def _claim(owner: Owner, workload: Workload, claim: Claim) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": canonical(claim.size)}},
    }
    if claim.storage_class:
        spec["storageClassName"] = claim.storage_class
    labels = {**common_labels(owner.vpp, workload.component), **(workload.labels or {})}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": claim.name, "labels": labels},
        "spec": spec,
    }


def probes(check: Mapping[str, Any], *, startup_seconds: int = 180) -> dict[str, Any]:
    """Return startup, readiness and liveness probes of one check: found ready fast, given up on slowly."""
    return {
        "startupProbe": {**check, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": startup_seconds},
        "readinessProbe": {**check, "periodSeconds": 3, "timeoutSeconds": 3, "failureThreshold": 3},
        "livenessProbe": {**check, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
    }


def tcp(port: int) -> dict[str, Any]:
    """Return a check that a port accepts connections."""
    return {"tcpSocket": {"port": port}}


def http(port: int, path: str) -> dict[str, Any]:
    """Return a check that a page answers with success."""
    return {"httpGet": {"port": port, "path": path, "scheme": "HTTP"}}


def scrape(port: int, path: str = "/metrics") -> dict[str, str]:
    """Return the annotations by which Prometheus finds a pod's metrics."""
    return {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": path}


def config_mount(name: str, path: str) -> dict[str, Any]:
    """Return a read-only mount."""
    return {"name": name, "mountPath": path, "readOnly": True}


def config_volume(name: str, config_map: str) -> dict[str, Any]:
    """Return a volume that shows a ConfigMap."""
    return {"name": name, "configMap": {"name": config_map, "defaultMode": 0o444}}


def secret_volume(name: str, secret: str) -> dict[str, Any]:
    """Return a volume that shows a Secret."""
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440}}
