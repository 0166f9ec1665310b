"""The API group and how its kinds are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

GROUP: Final = "vpp.energy"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindNames:
    """What one kind is called where."""

    kind: str
    plural: str
    singular: str
    short: str


KINDS: Final = (
    KindNames(kind="VPPCluster", plural="vppclusters", singular="vppcluster", short="vpp"),
    KindNames(kind="QueueChannel", plural="queuechannels", singular="queuechannel", short="qch"),
    KindNames(kind="NanoGrid", plural="nanogrids", singular="nanogrid", short="ng"),
)
