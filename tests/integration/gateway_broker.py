"""A real broker as the operator furnishes it, with what gateway tests do to it."""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from typing import Any

import pika

from tests.integration.management import call
from tests.servers import Servers
from vpp_contract.readings import Reading, decode_batch
from vpp_operator.ports import BrokerAddress
from vpp_operator.reconcile.definitions import Site, channel_definitions, missing
from vpp_workloads.gateway.settings import Settings

STREAM = "readings-0123456789"
SITES = tuple(f"gw-{i:02d}" for i in range(1, 31))
PASSWORD = "site-password"


class GatewayBroker:
    """One channel with the accounts of thirty sites."""

    def __init__(self, servers: Servers, name: str = "gateways") -> None:
        self._servers = servers
        self._pod = f"{name}-0"
        self.address: BrokerAddress = servers.rabbitmq(name)
        sites = [Site(name=site, password=PASSWORD) for site in SITES]
        definitions = channel_definitions(
            exchange="topic", stream=STREAM, segment_bytes=1_000_000, reader=("reader", "x"), sites=sites
        )
        self.api("POST", "definitions", missing({}, definitions))

    def settings(self, site: str, **changes: Any) -> Settings:
        """Return a site's settings, with short waits."""
        values: dict[str, Any] = {
            "site": site,
            "username": f"site-{site}",
            "password": PASSWORD,
            "host": self.address.host,
            "amqp_port": self.address.amqp_port,
            "linger_seconds": 0.02,
            "reconnect_seconds": 0.5,
        }
        return Settings(**{**values, **changes})

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Call the management API."""
        return call(self.address, method, path, body)

    def connections(self, site: str) -> list[str]:
        """Return the names of a site's connections."""
        return [one["name"] for one in self.api("GET", "connections") if one.get("user") == f"site-{site}"]

    def close_connections(self, site: str) -> None:
        """Close a site's connections from the broker's side."""
        for name in self.connections(site):
            self.api("DELETE", f"connections/{urllib.parse.quote(name, safe='')}")

    def control(self, *arguments: str) -> None:
        """Run rabbitmqctl in the broker's pod."""
        self._servers.kube.run(
            "exec", self._pod, "-n", self._servers.namespace, "--", "rabbitmqctl", *arguments, timeout_seconds=90
        )

    def unbind(self) -> None:
        """Take the exchange of the readings away from `ingress`."""
        self.api("DELETE", "bindings/%2F/e/ingress/e/readings/%23")

    def bind(self) -> None:
        """Put it back."""
        self.api("POST", "bindings/%2F/e/ingress/e/readings", {"routing_key": "#"})

    def readings(self, sites: Sequence[str]) -> list[Reading]:
        """Read the stream from its beginning to its end and return the readings of these sites."""
        parameters = pika.ConnectionParameters(
            self.address.host,
            self.address.amqp_port,
            credentials=pika.PlainCredentials(self.address.username, self.address.password),
            socket_timeout=10,
            blocked_connection_timeout=10,
        )
        connection = pika.BlockingConnection(parameters)
        try:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=200)
            found: list[Reading] = []
            for method, _, body in channel.consume(
                STREAM, arguments={"x-stream-offset": "first"}, inactivity_timeout=1
            ):
                if method is None:
                    return [one for one in found if one.der.partition("/")[0] in sites]
                found += decode_batch(body)
                channel.basic_ack(method.delivery_tag)
            return found
        finally:
            connection.close()
