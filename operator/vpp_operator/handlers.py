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
from vpp_operator.plants import Plants
from vpp_operator.resources.metadata import MANAGED_BY, MANAGED_BY_LABEL
from vpp_operator.settings import Settings

OWNED = {MANAGED_BY_LABEL: MANAGED_BY}


def register(registry: kopf.OperatorRegistry, plants: Plants, health: Health, settings: Settings) -> None:
    """Tell kopf what to watch and whom to tell."""

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_via_client(**kwargs)

    @kopf.on.event(GROUP, VERSION, "vppclusters", registry=registry)
    async def vppcluster(namespace: str | None, name: str, **_: Any) -> None:
        plants.wake(namespace or "", name)

    @kopf.on.event(GROUP, VERSION, "queuechannels", registry=registry)
    @kopf.on.event(GROUP, VERSION, "nanogrids", registry=registry)
    async def member(namespace: str | None, spec: kopf.Spec, **_: Any) -> None:
        plants.wake(namespace or "", spec["vppRef"]["name"])

    @kopf.on.event("apps", "v1", "statefulsets", labels=OWNED, registry=registry)
    @kopf.on.event("v1", "pods", labels=OWNED, registry=registry)
    @kopf.on.event("v1", "services", labels=OWNED, registry=registry)
    @kopf.on.event("v1", "secrets", labels=OWNED, registry=registry)
    @kopf.on.event("v1", "configmaps", labels=OWNED, registry=registry)
    async def owned(namespace: str | None, labels: kopf.Labels, **_: Any) -> None:
        plants.wake(namespace or "", labels.get(VPP_LABEL, ""))

    @kopf.on.event("coordination.k8s.io", "v1", "leases", registry=registry)
    async def canary(namespace: str | None, name: str, **_: Any) -> None:
        if (namespace, name) == (settings.namespace, settings.lease_name):
            health.heard()


def operator_settings(settings: Settings) -> kopf.OperatorSettings:
    """Return kopf's settings: no events posted for its log, watches that are renewed when they fall silent."""
    made = kopf.OperatorSettings()
    made.posting.enabled = False
    made.persistence.finalizer = f"{GROUP}/kopf"
    made.watching.server_timeout = 240
    made.watching.client_timeout = 300
    made.watching.connect_timeout = 10
    made.networking.request_timeout = 30
    made.batching.error_delays = [1, 2, 5, 10, 30]
    return made
