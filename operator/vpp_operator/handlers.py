"""What kopf is told to watch; every handler is one line of delegation.

kopf keeps the watches; when and what is done is up to `plants` and `reconcile`. Only event handlers are used: they
leave no annotation and no finalizer of kopf's on users' resources.
"""

from __future__ import annotations

from typing import Any

import kopf

from vpp_contract.names import VPP_LABEL
from vpp_operator.api.group import GROUP, VERSION
from vpp_operator.health import Health
from vpp_operator.plants import Mark, Plants
from vpp_operator.resources.metadata import MANAGED_BY, MANAGED_BY_LABEL, SELECTOR
from vpp_operator.settings import Settings

OWNED = {MANAGED_BY_LABEL: MANAGED_BY}
OWNED_RESOURCES = (
    ("apps", "statefulsets"),
    ("v1", "pods"),
    ("v1", "services"),
    ("v1", "secrets"),
    ("v1", "configmaps"),
)
LEASES = ("coordination.k8s.io", "leases")


def register(registry: kopf.OperatorRegistry, plants: Plants, health: Health, settings: Settings) -> None:
    """Tell kopf what to watch and whom to tell."""

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        # Not through the client library: its newer versions keep a pod's token where kopf does not look for it.
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.event(GROUP, VERSION, "vppclusters", registry=registry)
    async def vppcluster(event: kopf.RawEvent, namespace: str | None, name: str, uid: str, **_: Any) -> None:
        plants.wake_by_change(str(namespace), name, uid, _mark(event))

    @kopf.on.event(GROUP, VERSION, "queuechannels", registry=registry)
    @kopf.on.event(GROUP, VERSION, "nanogrids", registry=registry)
    async def member(event: kopf.RawEvent, namespace: str | None, spec: kopf.Spec, uid: str, **_: Any) -> None:
        plants.wake_by_change(str(namespace), spec["vppRef"]["name"], uid, _mark(event))

    for group_or_version, plural in OWNED_RESOURCES:

        @kopf.on.event(group_or_version, plural, labels=OWNED, registry=registry)
        async def owned(namespace: str | None, labels: kopf.Labels, **_: Any) -> None:
            plants.wake(str(namespace), labels.get(VPP_LABEL, ""))

    @kopf.on.event(*LEASES, registry=registry)
    async def canary(namespace: str | None, name: str, **_: Any) -> None:
        if (namespace, name) == (settings.namespace, settings.lease_name):
            health.heard()


def _mark(event: kopf.RawEvent) -> Mark | None:
    if event["type"] == "DELETED":
        return None
    metadata = event["object"]["metadata"]
    return int(str(metadata.get("generation") or 0)), str(metadata.get("deletionTimestamp") or "")


def operator_settings(settings: Settings) -> kopf.OperatorSettings:
    """Return kopf's settings: no events posted for its log, watches that are renewed when they fall silent."""
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.scanning.disabled = True  # no rights on definitions and namespaces: the kinds are known
    made.persistence.finalizer = f"{GROUP}/kopf"
    made.watching.server_timeout = 240
    made.watching.client_timeout = 300
    made.watching.connect_timeout = 10
    made.networking.request_timeout = 30
    made.batching.error_delays = [1, 2, 5, 10, 30]
    # The API server picks what is ours: other people's pods, Secrets and Leases never reach this process.
    for resource in OWNED_RESOURCES:
        made.watching.label_selectors[resource] = SELECTOR
    made.watching.field_selectors[LEASES] = f"metadata.name={settings.lease_name}"
    return made
