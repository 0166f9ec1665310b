"""HDFS's name node, by the figures it publishes over HTTP."""

from __future__ import annotations

import aiohttp

from vpp_operator.adapters.http import call
from vpp_operator.errors import NotReady, Unavailable


class NameNodeApi:
    """`vpp_operator.ports.NameNode` against a real server."""

    def __init__(self, session: aiohttp.ClientSession, *, timeout_seconds: float = 5.0) -> None:
        """Prepare; nothing is sent yet."""
        self._session = session
        self._timeout_seconds = timeout_seconds

    async def check(self, url: str) -> None:
        answer = await call(
            self._session,
            "GET",
            f"{url.rstrip('/')}/jmx",
            service="HDFS",
            timeout_seconds=self._timeout_seconds,
            params={"qry": "Hadoop:service=NameNode,name=FSNamesystemState"},
        )
        if answer.status >= 300:
            raise Unavailable("HDFS", f"the name node at {url} answers with {answer.status}")
        beans = answer.json().get("beans", ())
        if not beans:
            raise NotReady("HdfsStarting", "the name node is still loading its files")
        if beans[0].get("FSState") != "Operational":
            raise NotReady(
                "HdfsSafeMode", "the name node is in safe mode; it leaves it when its data nodes have reported"
            )
        if not beans[0].get("NumLiveDataNodes"):
            raise NotReady("HdfsNoDataNode", "no data node has registered with the name node yet")
