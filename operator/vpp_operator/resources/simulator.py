"""The simulator: one pod that plays all simulated sites of a plant, each through a gateway of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from vpp_contract import environment as variables
from vpp_contract.names import SIMULATOR_PORT
from vpp_operator.api.nanogrid import NanoGridSpec
from vpp_operator.api.simulator import Simulator
from vpp_operator.api.vppcluster import VPPClusterSpec
from vpp_operator.resources import names
from vpp_operator.resources.images import Images
from vpp_operator.resources.metadata import Owner, config_map, digest, environment, selector_labels, service
from vpp_operator.resources.nanogrid import SITES_FOLDER, simulated_site
from vpp_operator.resources.secret_values import secret
from vpp_operator.resources.workload import (
    Claim,
    Workload,
    config_mount,
    config_volume,
    http,
    probes,
    scrape,
    secret_volume,
    stateful_set,
)

COMPONENT: Final = "simulator"
_CONFIG_FOLDER: Final = "/etc/vpp/simulator"
_PROFILES: Final = "/profiles"
_TAKEN_UP: Final = ("username", "password", "channels", "control", "authority")


def simulator_settings(
    owner: Owner, spec: VPPClusterSpec, sites: Mapping[str, NanoGridSpec], gateways: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the simulator's ConfigMap and the Secret with the gateway settings of its sites."""
    files = {"simulator.json": _simulator_json(owner, spec, sites)}
    accounts = _accounts(sites, gateways)
    return [
        config_map(owner, names.simulator(owner.vpp), COMPONENT, files),
        secret(owner, names.simulator_sites(owner.vpp), COMPONENT, accounts),
    ]


def simulator(
    owner: Owner,
    spec: VPPClusterSpec,
    images: Images,
    sites: Mapping[str, NanoGridSpec],
    gateways: Mapping[str, str],
) -> list[dict[str, Any]]:
    """Return the simulator's Service and StatefulSet."""
    name = names.simulator(owner.vpp)
    assert spec.simulator is not None
    volumes, mounts = _profiles(spec.simulator)
    workload = Workload(
        name=name,
        component=COMPONENT,
        image=images.edge,
        pull_policy=images.pull_policy,
        command=("python", "-m", "vpp_workloads.simulator"),
        ports={"http": SIMULATOR_PORT},
        probes=probes(http(SIMULATOR_PORT, "/healthz")),
        cpu_request="50m",
        memory_request="192Mi",
        memory_limit="1Gi",
        environment=environment(
            {
                "HOME": "/tmp",  # the pod's own empty folder
                variables.SIMULATOR_CONFIG: f"{_CONFIG_FOLDER}/simulator.json",
                variables.STATE_DIR: "/data",
            }
        ),
        mounts=(config_mount("settings", _CONFIG_FOLDER), config_mount("sites", SITES_FOLDER), *mounts),
        volumes=(
            config_volume("settings", name),
            secret_volume("sites", names.simulator_sites(owner.vpp)),
            *volumes,
        ),
        claims=(Claim(name="data", size="1Gi", path="/data", storage_class=spec.storage.storage_class_name),),
        annotations=scrape(SIMULATOR_PORT),
        config_hash=digest(_simulator_json(owner, spec, sites), _fixed(_accounts(sites, gateways))),
        grace_seconds=20,
    )
    ports = {"http": SIMULATOR_PORT}
    return [
        service(owner, name, COMPONENT, ports, selector=selector_labels(owner.vpp, COMPONENT)),
        stateful_set(owner, workload),
    ]


def _accounts(sites: Mapping[str, NanoGridSpec], gateways: Mapping[str, str]) -> dict[str, str]:
    return {f"{site}.json": gateways[site] for site in sorted(sites)}


def _fixed(accounts: Mapping[str, str]) -> dict[str, Any]:
    """Return what gateways read only at their start: how to reach the brokers they hear while they run."""
    parsed = {file: json.loads(text) for file, text in accounts.items()}
    return {
        file: {name: value for name, value in settings.items() if name not in _TAKEN_UP}
        for file, settings in parsed.items()
    }


def _simulator_json(owner: Owner, spec: VPPClusterSpec, sites: Mapping[str, NanoGridSpec]) -> str:
    settings = spec.simulator
    assert settings is not None
    volumes, _ = _profiles(settings)
    return json.dumps(
        {
            "vpp": owner.vpp,
            "acceleration": settings.acceleration,
            "start": settings.start,
            "days": settings.days,
            "reading_interval_seconds": settings.reading_interval_seconds,
            "seed": settings.seed,
            "data_folder": _PROFILES if volumes else None,
            "sites": [simulated_site(site, sites[site]) for site in sorted(sites)],
        },
        sort_keys=True,
    )


def _profiles(settings: Simulator) -> tuple[tuple[dict[str, Any], ...], tuple[dict[str, Any], ...]]:
    data = settings.data
    if data is None or not (data.config_maps or data.claim_name):
        return (), ()
    if data.claim_name:
        source: dict[str, Any] = {"persistentVolumeClaim": {"claimName": data.claim_name, "readOnly": True}}
    else:
        folder = [{"configMap": {"name": name}} for name in data.config_maps]
        source = {"projected": {"defaultMode": 0o444, "sources": folder}}
    return ({"name": "profiles", **source},), (config_mount("profiles", _PROFILES),)
