"""A small plant in the in-memory world: what unit tests of reconciling start from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tests.fakes import World, merge, running
from vpp_operator.decide.pace import Next
from vpp_operator.reconcile import Memory, reconcile_plant
from vpp_operator.resources.images import Images
from vpp_operator.settings import Settings

NAMESPACE = "plants"
SETTINGS = Settings(
    images=Images(
        rabbitmq="rabbitmq:1", hdfs="hdfs:1", influxdb="influxdb:1", spark="spark:1", edge="edge:1", nanogrid="nano:1"
    ),
    namespace="vpp-system",
)
CLUSTER = {"workerPools": [{"name": "small", "min": 1, "max": 2}], "simulator": {"acceleration": 720}}
CHANNELS = {"vppRef": {"name": "demo"}, "min": 1, "max": 2}
HOUSE = {
    "vppRef": {"name": "demo"},
    "location": {"latitude": 34.0, "longitude": -117.0},
    "pv": {"nominalKw": 4},
    "source": {"type": "Simulated"},
}


def resource(kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource of one of the three kinds."""
    return {
        "apiVersion": "vpp.energy/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": copy.deepcopy(dict(spec)),
    }


class Plant:
    """The plant `demo` with the channels `ingest` and some houses, and the operator that looks after it."""

    def __init__(self, *, houses: int = 2, cluster: Mapping[str, Any] = CLUSTER) -> None:
        self.world = World()
        self.memory = Memory()
        kubernetes = self.world.kubernetes
        kubernetes.add(resource("VPPCluster", "demo", cluster))
        kubernetes.add(resource("QueueChannel", "ingest", CHANNELS))
        for number in range(1, houses + 1):
            kubernetes.add(resource("NanoGrid", f"house-{number:02}", HOUSE))

    async def look(self) -> Next:
        """Let the operator look once."""
        return await reconcile_plant(self.world.ports, SETTINGS, self.memory, NAMESPACE, "demo")

    async def settle(self, looks: int = 6, *, driver: bool = True) -> None:
        """Look until nothing moves any more, while pods come up in between."""
        for _ in range(looks):
            await self.look()
            self.world.run_stateful_sets()
            if driver and self.world.spark.driver is None and "demo-driver-0" in self.world.kubernetes.names("Pod"):
                self.world.spark.driver = running()
            self.world.clock.now += 5

    def restart_operator(self) -> None:
        """Forget all that the operator's process knew."""
        self.memory = Memory()

    def change(self, kind: str, name: str, patch: Mapping[str, Any]) -> None:
        """Change an object as a user would."""
        found = self.world.kubernetes.there(kind, name)
        merge(found, patch)
        found["metadata"]["generation"] += 1
        self.world.kubernetes.add(found)

    def condition(self, kind: str, name: str, condition: str = "Ready") -> dict[str, Any]:
        """Return one condition of a resource, empty if it has none."""
        status = self.world.kubernetes.there(kind, name).get("status", {})
        return next((item for item in status.get("conditions", ()) if item["type"] == condition), {})

    def stream(self, ordinal: int = 0) -> str:
        """Return the name of a channel's stream."""
        status = self.world.kubernetes.there("QueueChannel", "ingest")["status"]
        return str(status["channels"][ordinal]["stream"])

    def broker_writes(self) -> int:
        """Return how often anything was written to any broker."""
        brokers = {id(broker): broker for broker in self.world.brokers.by_host.values()}
        return sum(broker.writes for broker in brokers.values())
