"""The streaming driver's own account of its progress."""

from __future__ import annotations

from typing import Any

import aiohttp

from vpp_operator.adapters.http import call
from vpp_operator.errors import Unavailable
from vpp_operator.ports import DriverProgress


class SparkApi:
    """`vpp_operator.ports.Spark` against a real driver."""

    def __init__(self, session: aiohttp.ClientSession, *, timeout_seconds: float = 5.0) -> None:
        """Prepare; nothing is sent yet."""
        self._session = session
        self._timeout_seconds = timeout_seconds

    async def progress(self, url: str) -> DriverProgress:
        said = await self._get(f"{url.rstrip('/')}/progress")
        return DriverProgress(
            state=str(said["state"]),
            reason=str(said.get("reason") or ""),
            query_id=str(said.get("query_id") or ""),
            batch_id=int(said["batch_id"] if said.get("batch_id") is not None else -1),
            committed={str(key): int(value) for key, value in (said.get("committed") or {}).items()},
            planned_us={str(key): int(value) for key, value in (said.get("planned_us") or {}).items()},
            topology_generation=int(said.get("topology_generation") or 0),
        )

    async def _get(self, url: str) -> Any:
        answer = await call(self._session, "GET", url, service="Spark", timeout_seconds=self._timeout_seconds)
        if answer.status >= 300:
            raise Unavailable("Spark", f"{url} answers with {answer.status}")
        try:
            return answer.json()
        except ValueError:
            raise Unavailable("Spark", f"{url} answers with something that is no JSON") from None
