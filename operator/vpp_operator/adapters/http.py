"""HTTP with a deadline, and every failure as one of the operator's own errors."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from vpp_operator.errors import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)

    def text(self) -> str:
        """Return the body as text, shortened to what fits a message."""
        return self.body[:500].decode(errors="replace").strip()


def basic(username: str, password: str) -> str:
    """Return an Authorization header's value for a name and a password."""
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


async def call(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    service: str,
    timeout_seconds: float,
    headers: Mapping[str, str] | None = None,
    body: Any = None,
    content: bytes | None = None,
    params: Mapping[str, str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    server_name: str | None = None,
) -> Answer:
    """Send one request; `body` goes out as JSON, `content` as it is.

    `server_name` is what the server's certificate must name, where that is not the host in the URL.

    Raises:
        Unavailable: no whole answer within the time, or none at all.
    """
    sent = dict(headers or {})
    if body is not None:
        content = json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    try:
        async with asyncio.timeout(timeout_seconds):
            async with session.request(
                method,
                url,
                headers=sent,
                data=content,
                params=params,
                ssl=ssl_context or True,
                server_hostname=server_name,
                allow_redirects=False,
            ) as response:
                return Answer(status=response.status, headers=response.headers, body=await response.read())
    except TimeoutError:
        raise Unavailable(service, f"{url} did not answer within {timeout_seconds:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Unavailable(service, f"{url}: {str(error) or type(error).__name__}") from None
