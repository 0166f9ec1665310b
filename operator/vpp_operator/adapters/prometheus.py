"""Prometheus' query API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aiohttp

from vpp_operator.adapters.http import call
from vpp_operator.errors import Unavailable


class PrometheusApi:
    """`vpp_operator.ports.Prometheus` against a real server."""

    def __init__(self, session: aiohttp.ClientSession, *, timeout_seconds: float = 5.0) -> None:
        """Prepare; nothing is sent yet."""
        self._session = session
        self._timeout_seconds = timeout_seconds

    async def query(self, url: str, expression: str) -> Sequence[tuple[Mapping[str, str], float]]:
        answer = await call(
            self._session,
            "GET",
            f"{url.rstrip('/')}/api/v1/query",
            service="Prometheus",
            timeout_seconds=self._timeout_seconds,
            params={"query": expression},
        )
        if answer.status >= 300:
            raise Unavailable(
                "Prometheus", f"{url} answers the query {expression} with {answer.status}: {answer.text()}"
            )
        result = answer.json()["data"]["result"]
        return [(dict(series["metric"]), float(series["value"][1])) for series in result]
