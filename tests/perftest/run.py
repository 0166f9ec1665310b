"""PerfTest's command line, and reading back what it stored with a plain AMQP client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pika

from tests.perftest.account import stamp_of
from vpp_contract.names import INGRESS_EXCHANGE, readings_key

MAIN_CLASS: Final = "com.rabbitmq.perf.PerfTest"
PRODUCERS: Final = 4
QUIET_SECONDS: Final = 10
"""After the last message, for its confirm."""
_PREFETCH: Final = 500


def routing_key(site: str) -> str:
    """Return the key that all messages carry."""
    return readings_key(site, "perftest")


def arguments(uri: str, site: str, *, rate: int, seconds: int) -> list[str]:
    """Return the options of a run: `rate` messages a second by each producer, for `seconds`, then a rest."""
    return [
        *("--uri", uri),
        *("--producers", str(PRODUCERS), "--consumers", "0"),
        *("--exchange", INGRESS_EXCHANGE, "--type", "topic", "--routing-key", routing_key(site)),
        *("--predeclared", "--skip-binding-queues"),
        *("--flag", "persistent", "--flag", "mandatory", "--size", "64"),
        *("--confirm", "50", "--confirm-timeout", "30"),
        *("--connection-recovery-interval", "1-2", "--servers-startup-timeout", "30"),
        *("--variable-rate", f"{rate}:{seconds}", "--variable-rate", f"0:{2 * QUIET_SECONDS}"),
        *("--time", str(seconds + QUIET_SECONDS)),
        *("--metrics-format", "compact", "--verbose"),
    ]


def stored_stamps(parameters: pika.ConnectionParameters, stream: str, site: str) -> Sequence[int]:
    """Read a stream from its first message to its end; return the time stamps of PerfTest's messages.

    Raises:
        AssertionError: messages are gone from its beginning, so that it proves nothing.
    """
    stamps: list[int] = []
    connection = pika.BlockingConnection(parameters)
    try:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=_PREFETCH)
        first = {"x-stream-offset": "first"}
        begun = False
        for method, properties, body in channel.consume(stream, arguments=first, inactivity_timeout=3):
            if method is None:
                return stamps
            offset = properties.headers["x-stream-offset"]
            assert begun or offset == 0, f"{stream} begins at {offset}: retention has taken what was to be counted"
            begun = True
            channel.basic_ack(method.delivery_tag)
            if method.routing_key == routing_key(site):
                stamps.append(stamp_of(body))
    finally:
        connection.close()
    raise AssertionError("unreachable")
