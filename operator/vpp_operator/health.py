"""Liveness and readiness over HTTP, with a canary for a deaf watch.

A watch can die without a word: the connection stays, events no longer come, and an operator looks healthy while it sees
nothing. The leader renews its Lease every few seconds and must see that renewal through its own watch; one that has not
for `deaf_after_seconds` is restarted by its liveness probe.
"""

from __future__ import annotations

from aiohttp import web

from vpp_operator.ports import Clock


class Health:
    """What probes are told."""

    def __init__(self, clock: Clock, deaf_after_seconds: float) -> None:
        """Start as an operator that waits for the lease: alive, and ready to take over."""
        self._clock = clock
        self._deaf_after_seconds = deaf_after_seconds
        self._heard_at: float | None = None

    def listening(self) -> None:
        """Expect events from now on: this operator leads."""
        self._heard_at = self._clock.monotonic()

    def heard(self) -> None:
        """Note that the watch showed a renewal of the lease."""
        if self._heard_at is not None:
            self._heard_at = self._clock.monotonic()

    def fault(self) -> str:
        """Return what is wrong, empty when nothing is."""
        if self._heard_at is None:
            return ""
        silence = self._clock.monotonic() - self._heard_at
        if silence <= self._deaf_after_seconds:
            return ""
        return (
            f"the watch has shown no renewal of the lease for {silence:.0f} s, at most {self._deaf_after_seconds:.0f}"
        )


async def serve(health: Health, port: int) -> web.AppRunner:
    """Answer probes at /healthz and /readyz until the runner is cleaned up."""

    async def answer(_: web.Request) -> web.Response:
        fault = health.fault()
        return web.Response(text=(fault or "ok") + "\n", status=503 if fault else 200)

    application = web.Application()
    application.router.add_get("/healthz", answer)
    application.router.add_get("/readyz", answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, port=port).start()
    return runner
