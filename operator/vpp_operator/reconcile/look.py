"""What every step of one look at a plant works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vpp_operator.api.vppcluster import VPPClusterSpec
from vpp_operator.ports import Manifest, Ports
from vpp_operator.reconcile.accounts import Accounts
from vpp_operator.reconcile.desired import Member
from vpp_operator.reconcile.gather import Picture
from vpp_operator.reconcile.memory import PlantMemory
from vpp_operator.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What every step of one look works on."""

    ports: Ports
    settings: Settings
    memory: PlantMemory
    picture: Picture
    document: Manifest
    spec: VPPClusterSpec
    channels: Sequence[Member]
    sites: Sequence[Member]
    accounts: Accounts
