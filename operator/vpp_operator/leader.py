"""Leader election with a Lease: of several operators one acts, the others wait.

Times in the Lease are other machines' clocks and are never compared with ours: a holder counts as gone when its
renewTime has not changed for the lease's duration as measured here, as client-go does it. The renewals are also the
canary of `health`: an operator whose watch does not show them is deaf.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from vpp_operator.errors import VPPError
from vpp_operator.ports import LEASE, Clock, Conflict, Kubernetes, Manifest
from vpp_operator.settings import Settings

_LOG = logging.getLogger(__name__)


class Leadership:
    """One operator's part in the election."""

    def __init__(self, kubernetes: Kubernetes, clock: Clock, settings: Settings) -> None:
        """Prepare; nothing is sent yet."""
        self._kubernetes = kubernetes
        self._clock = clock
        self._settings = settings
        self._seen_renewal = ""
        self._seen_at = clock.monotonic()
        self._renewed_at = float("-inf")

    @property
    def leads(self) -> bool:
        """Whether this operator may act: it has renewed its lease within the lease's duration."""
        return self._clock.monotonic() - self._renewed_at < self._settings.lease_seconds

    async def acquire(self) -> None:
        """Wait until this operator leads."""
        waiting = False
        while not await self._try():
            if not waiting:
                _LOG.info("another operator leads; waiting for the lease %s", self._settings.lease_name)
                waiting = True
            await asyncio.sleep(self._settings.lease_seconds / 5)
        _LOG.info("%s leads", self._settings.identity)

    async def hold(self) -> None:
        """Renew the lease for ever; returns when it is lost, after which nothing more may be done."""
        while self.leads:
            await asyncio.sleep(self._settings.lease_seconds / 5)
            await self._try()

    async def release(self) -> None:
        """Give the lease away, so that a waiting operator need not wait for its end."""
        lease = await self._kubernetes.get(LEASE, self._settings.namespace, self._settings.lease_name)
        if lease is None or lease["spec"].get("holderIdentity") != self._settings.identity:
            return
        self._renewed_at = float("-inf")
        await self._write(lease, {**lease["spec"], "holderIdentity": "", "leaseDurationSeconds": 1})

    async def _try(self) -> bool:
        """Take or renew the lease; False where another holds it or the API server gives no answer."""
        asked_at = self._clock.monotonic()
        try:
            done = await self._take()
        except Conflict:
            return False  # another operator was faster
        except VPPError as error:
            _LOG.warning("the lease %s cannot be renewed: %s", self._settings.lease_name, error)
            return False
        if done:
            self._renewed_at = asked_at
        return done

    async def _take(self) -> bool:
        lease = await self._kubernetes.get(LEASE, self._settings.namespace, self._settings.lease_name)
        if lease is None:
            await self._kubernetes.create(
                {
                    "apiVersion": LEASE.api_version,
                    "kind": LEASE.kind,
                    "metadata": {"name": self._settings.lease_name, "namespace": self._settings.namespace},
                    "spec": self._spec({}),
                }
            )
            return True
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity") or ""
        if holder not in ("", self._settings.identity) and not self._has_expired(spec):
            return False
        await self._write(lease, self._spec(spec))
        return True

    def _has_expired(self, spec: Manifest) -> bool:
        renewal = str(spec.get("renewTime"))
        now = self._clock.monotonic()
        if renewal != self._seen_renewal:
            self._seen_renewal, self._seen_at = renewal, now
        return now - self._seen_at > float(spec.get("leaseDurationSeconds") or self._settings.lease_seconds)

    def _spec(self, before: Manifest) -> dict[str, Any]:
        now = datetime.fromtimestamp(self._clock.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        ours = before.get("holderIdentity") == self._settings.identity
        return {
            "holderIdentity": self._settings.identity,
            "leaseDurationSeconds": max(1, round(self._settings.lease_seconds)),
            "acquireTime": before.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + (0 if ours or not before else 1),
        }

    async def _write(self, lease: Manifest, spec: Manifest) -> None:
        version = lease["metadata"]["resourceVersion"]
        await self._kubernetes.patch(
            LEASE,
            self._settings.namespace,
            self._settings.lease_name,
            {"metadata": {"resourceVersion": version}, "spec": spec},
        )
