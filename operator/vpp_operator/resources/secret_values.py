"""Secrets as text values in, base64 manifests out, and back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from vpp_operator.resources.metadata import Owner, metadata


def secret(
    owner: Owner, name: str, component: str, values: Mapping[str, str], *, labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return an Opaque Secret with these texts."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(owner, name, component, labels=labels),
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }


def secret_texts(manifest: Mapping[str, Any] | None) -> dict[str, str]:
    """Return a Secret's values as texts; none for a Secret that is not there, and none for bytes that are no text."""
    texts: dict[str, str] = {}
    for key, value in ((manifest or {}).get("data") or {}).items():
        try:
            texts[key] = base64.b64decode(value).decode()
        except ValueError:
            continue
    return texts
