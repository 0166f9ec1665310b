"""The parser of each kind's spec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from vpp_operator.api.nanogrid import parse_nanogrid_spec
from vpp_operator.api.queuechannel import parse_queuechannel_spec
from vpp_operator.api.vppcluster import parse_vppcluster_spec

PARSERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Any]]] = {
    "VPPCluster": parse_vppcluster_spec,
    "QueueChannel": parse_queuechannel_spec,
    "NanoGrid": parse_nanogrid_spec,
}
