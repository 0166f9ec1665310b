"""Names, labels and ownership: what all objects of one virtual power plant share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpp_contract.names import VPP_LABEL

MANAGED_BY: Final = "vpp-operator"
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
COMPONENT_LABEL: Final = "app.kubernetes.io/component"
CHANNELS_LABEL: Final = "vpp.energy/channels"
"""On everything of one QueueChannel: its name."""
POOL_LABEL: Final = "vpp.energy/pool"
SELECTOR: Final = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
HASH_ANNOTATION: Final = "vpp.energy/manifest-hash"
CONFIG_ANNOTATION: Final = "vpp.energy/config-hash"
"""On pod templates: changes when what a pod reads only at its start has changed."""
FINALIZER: Final = "vpp.energy/cleanup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The resource an object is made for, and the virtual power plant it belongs to."""

    api_version: str
    kind: str
    name: str
    namespace: str
    uid: str
    vpp: str


def metadata(
    owner: Owner,
    name: str,
    component: str,
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return an owned object's metadata; it goes when its owner goes."""
    result: dict[str, Any] = {
        "name": name,
        "namespace": owner.namespace,
        "labels": {**common_labels(owner.vpp, component), **(labels or {})},
        "ownerReferences": [
            {
                "apiVersion": owner.api_version,
                "kind": owner.kind,
                "name": owner.name,
                "uid": owner.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }
    if annotations:
        result["annotations"] = dict(annotations)
    return result


def selector_labels(vpp: str, component: str) -> dict[str, str]:
    """Return the labels that choose the pods of one component; they never change."""
    return {VPP_LABEL: vpp, COMPONENT_LABEL: component}


def common_labels(vpp: str, component: str) -> dict[str, str]:
    """Return the labels of everything of one component."""
    return {
        "app.kubernetes.io/name": "vpp-operator",
        MANAGED_BY_LABEL: MANAGED_BY,
        "app.kubernetes.io/part-of": vpp,
        **selector_labels(vpp, component),
    }


def digest(*values: Any) -> str:
    """Return a short hash of JSON values, the same for equal values."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def service(
    owner: Owner,
    name: str,
    component: str,
    ports: Mapping[str, int],
    *,
    selector: Mapping[str, str],
    headless: bool = False,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    service_type: str = "ClusterIP",
) -> dict[str, Any]:
    """Return a Service. A headless one also names pods that are not ready yet, so that they find each other."""
    spec: dict[str, Any] = {
        "selector": dict(selector),
        "ports": [
            {"name": port, "port": number, "targetPort": number, "protocol": "TCP"} for port, number in ports.items()
        ],
    }
    if headless:
        spec |= {"clusterIP": "None", "publishNotReadyAddresses": True}
    else:
        spec["type"] = service_type
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(owner, name, component, labels=labels, annotations=annotations),
        "spec": spec,
    }


def config_map(
    owner: Owner, name: str, component: str, data: Mapping[str, str], *, labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(owner, name, component, labels=labels),
        "data": dict(data),
    }


def disruption_budget(
    owner: Owner, name: str, component: str, selector: Mapping[str, str], *, labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return a PodDisruptionBudget: evictions may take one pod at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(owner, name, component, labels=labels),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": dict(selector)}},
    }


def environment(
    values: Mapping[str, str], secrets: Mapping[str, tuple[str, str]] | None = None
) -> list[dict[str, Any]]:
    """Return a container's environment: plain values, and (Secret, key) pairs."""
    plain: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in values.items()]
    hidden: Sequence[dict[str, Any]] = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for name, (secret, key) in (secrets or {}).items()
    ]
    return [*plain, *hidden]


def from_pod(name: str, path: str) -> dict[str, Any]:
    """Return an environment variable that holds a field of the pod itself."""
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}
