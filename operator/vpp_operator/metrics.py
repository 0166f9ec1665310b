"""The operator's own metrics, named by Prometheus' conventions."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

LOOKS: Final = Counter("vpp_operator_looks_total", "Looks at plants by outcome: done, not_ready, failed.", ["outcome"])
LOOK_SECONDS: Final = Histogram("vpp_operator_look_duration_seconds", "How long one look at a plant takes.")
WRITES: Final = Counter("vpp_operator_writes_total", "Writes to the API server by kind; none at rest.", ["kind"])
LEADER: Final = Gauge("vpp_operator_leader", "1 while this operator leads.")
