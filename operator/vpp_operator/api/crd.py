"""CustomResourceDefinitions from the dataclasses."""

from __future__ import annotations

from typing import Any, Final

from vpp_operator.api.group import GROUP, KINDS, VERSION, KindNames
from vpp_operator.api.nanogrid import NanoGridSpec
from vpp_operator.api.queuechannel import QueueChannelSpec
from vpp_operator.api.schema import DNS_LABEL, SERVICE_NAME, object_schema
from vpp_operator.api.status import COLUMNS, STATUS
from vpp_operator.api.vppcluster import VPPClusterSpec

SPECS: Final[dict[str, type]] = {
    "VPPCluster": VPPClusterSpec,
    "QueueChannel": QueueChannelSpec,
    "NanoGrid": NanoGridSpec,
}
_TEXTS: Final = {
    "VPPCluster": "One virtual power plant: its processing cluster, storage, monitoring and policy.",
    "QueueChannel": "The queuing cluster of one VPPCluster: a pool of RabbitMQ channels that take sites' readings.",
    "NanoGrid": "One site of a virtual power plant: its DERs, their readings, its tariff.",
}
# Names become parts of other objects' names and of routing keys, in which a dot separates words. Services' names begin
# with a letter. StatefulSets' names have at most 52 characters, because their pods carry them in a label with a hash
# (<VPPCluster>-workers-<pool>: 30 + 9 + 13).
_NAMES: Final = {"VPPCluster": 30, "QueueChannel": 50, "NanoGrid": 40}
_PARTS: Final = ("control", "influxdb", "hdfs", "hdfs-namenode", "hdfs-datanode", "spark-master", "driver", "simulator")
_OF_PARTS: Final = {
    "rule": (
        f"!self.metadata.name.startsWith(self.spec.vppRef.name + '-workers') && !({list(_PARTS)}"
        ".exists(part, self.metadata.name == self.spec.vppRef.name + '-' + part))"
    ),
    "message": (
        "the name of a QueueChannel must not be that of a part of its VPPCluster, such as <vpp>-control; "
        "choose another, for example <vpp>-ingest"
    ),
}


def definition(names: KindNames) -> dict[str, Any]:
    """Return one kind's CustomResourceDefinition."""
    longest, is_site = _NAMES[names.kind], names.kind == "NanoGrid"
    name_rules = [_OF_PARTS] if names.kind == "QueueChannel" else []
    schema = {
        "type": "object",
        "description": _TEXTS[names.kind],
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": object_schema(SPECS[names.kind], "What you want; the operator never writes it."),
            "status": STATUS[names.kind],
        },
        "x-kubernetes-validations": [
            {
                "rule": (
                    f"self.metadata.name.matches('{DNS_LABEL if is_site else SERVICE_NAME}')"
                    f" && size(self.metadata.name) <= {longest}"
                ),
                "message": (
                    f"the name of a {names.kind} must have at most {longest} lower-case letters, digits and dashes, "
                    f"{'' if is_site else 'begin with a letter '}and have no dot; it becomes part of other names"
                ),
            },
            *name_rules,
        ],
    }
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [dict(column) for column in COLUMNS[names.kind]],
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    if names.kind != "NanoGrid":
        version["subresources"]["scale"] = {
            "specReplicasPath": ".spec.pinned",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.kind,
                "listKind": f"{names.kind}List",
                "plural": names.plural,
                "singular": names.singular,
                "shortNames": [names.short],
                "categories": ["vpp-all"],
            },
            "versions": [version],
        },
    }


def definitions() -> dict[str, dict[str, Any]]:
    """Return every kind's CustomResourceDefinition by its plural."""
    return {names.plural: definition(names) for names in KINDS}
