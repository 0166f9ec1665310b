"""Calls of a broker's management API, as its administrator."""

from __future__ import annotations

import base64
import json
import urllib.request
from typing import Any

from vpp_operator.ports import BrokerAddress


def call(address: BrokerAddress, method: str, path: str, body: object = None) -> Any:
    """Call `/api/<path>` and return the decoded answer, None where there is none."""
    token = base64.b64encode(f"{address.username}:{address.password}".encode()).decode()
    request = urllib.request.Request(
        f"{address.management_url}/api/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Basic {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        text = answer.read()
    return json.loads(text) if text else None
