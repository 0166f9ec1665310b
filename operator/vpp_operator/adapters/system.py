"""The clocks and the randomness of this machine."""

from __future__ import annotations

import secrets
import time


class SystemClock:
    """`vpp_operator.ports.Clock`."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class SystemRandomness:
    """`vpp_operator.ports.Randomness`."""

    def password(self) -> str:
        return secrets.token_urlsafe(24)

    def stream_id(self) -> str:
        return secrets.token_hex(5)
