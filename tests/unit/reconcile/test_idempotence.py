"""Whatever a plant's resources say: it settles, and then nothing is written any more."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.plants import Plant, resource

POOLS = st.lists(
    st.builds(
        lambda name, low, more, cores, memory: {
            "name": name,
            "min": low,
            "max": max(1, low + more),
            "cores": cores,
            "memory": memory,
        },
        st.sampled_from(["small", "large", "spot"]),
        st.integers(0, 3),
        st.integers(0, 2),
        st.integers(1, 4),
        st.sampled_from(["1Gi", "1536Mi", "2048Mi", "1.5Gi", "3G"]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda pool: pool["name"],
)
STORAGE = st.sampled_from(
    [
        {"type": "HDFS", "dataNodes": 2, "replication": 2},
        {"type": "Volume", "size": "0.5Gi"},
        {"type": "External", "url": "hdfs://elsewhere:8020/vpp"},
    ]
)
CHANNELS = st.builds(
    lambda low, more, exchange, cpu, service: {
        "vppRef": {"name": "demo"},
        "min": low,
        "max": low + more,
        "exchange": exchange,
        "mqtt": {"enabled": exchange != "headers"},
        "channel": {"cpu": cpu, "memory": "512Mi"},
        "service": {"type": service, "annotations": {"a": "b"}},
    },
    st.integers(1, 3),
    st.integers(0, 2),
    st.sampled_from(["topic", "direct", "fanout", "headers", "consistent-hash"]),
    st.sampled_from(["0.5", "500m", "1", "1000m", "0.05"]),
    st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]),
)
DERS = st.dictionaries(
    st.sampled_from(["pv", "battery", "load", "hydro"]),
    st.just(None),
    min_size=1,
).map(
    lambda chosen: {
        name: {
            "pv": {"nominalKw": 4},
            "battery": {"capacityKwh": 6, "maxPowerKw": 5},
            "load": {},
            "hydro": {"nominalKw": 3},
        }[name]
        for name in chosen
    }
)
SITES = st.lists(st.tuples(st.booleans(), DERS), max_size=3)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pools=POOLS, storage=STORAGE, channels=CHANNELS, sites=SITES, simulate=st.booleans())
async def test_every_plant_settles(
    pools: list[dict[str, Any]],
    storage: dict[str, Any],
    channels: dict[str, Any],
    sites: list[tuple[bool, dict[str, Any]]],
    simulate: bool,
) -> None:
    cluster = {"workerPools": pools, "storage": storage} | ({"simulator": {}} if simulate else {})
    plant = Plant(houses=0, cluster=cluster)
    plant.world.kubernetes.add(resource("QueueChannel", "ingest", channels))
    for number, (simulated, ders) in enumerate(sites):
        spec = {
            "vppRef": {"name": "demo"},
            "location": {"latitude": 1.0, "longitude": 2.0},
            "source": {"type": "Simulated" if simulated else "Gateway"},
            **ders,
        }
        plant.world.kubernetes.add(resource("NanoGrid", f"site-{number}", spec))
    await plant.settle()
    assert plant.condition("VPPCluster", "demo")["status"] == "True", plant.condition("VPPCluster", "demo")
    plant.world.kubernetes.writes.clear()
    before = plant.broker_writes()
    await plant.settle(2)
    assert not plant.world.kubernetes.writes
    assert plant.broker_writes() == before
