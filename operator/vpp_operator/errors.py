"""The operator's errors.

VPPError
├── NotReady      something is on its way; try again after `retry_after_seconds`
├── Unavailable   a server does not answer or refuses; `service` says which
└── InvalidSpec   a resource says something that cannot be; `path` says where

Only `handlers` turns them into what kopf understands. "Not yet" is normal and logged at debug level.
"""

from __future__ import annotations


class VPPError(Exception):
    """The root of all errors the operator raises on purpose. `reason` is CamelCase, for conditions."""

    reason = "Error"


class NotReady(VPPError):
    """Something is not there yet; `reason` says what, in a word for a condition."""

    def __init__(self, reason: str, message: str = "", *, retry_after_seconds: float = 5.0) -> None:
        super().__init__(message or reason)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class Unavailable(VPPError):
    """A server does not answer, or answers with a refusal."""

    def __init__(self, service: str, message: str = "") -> None:
        super().__init__(message or f"{service} does not answer")
        self.service = service
        self.reason = f"{service}Unavailable"


class InvalidSpec(VPPError):
    """A resource's spec cannot be carried out."""

    reason = "InvalidSpec"

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path
