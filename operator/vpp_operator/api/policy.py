"""When and how a plant scales, dispatches and optimises: what the control loop and the community follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vpp_contract.readings import KINDS
from vpp_operator.api.schema import Rule, described
from vpp_operator.api.shared import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Bounds of a utilisation, in per cent."""

    RULES: ClassVar = (
        Rule(
            name="threshold-band",
            rule="self.low < self.high",
            message="a threshold's low must be below its high; between them nothing changes",
        ),
    )

    low: float = described("Below it a unit may go to sleep, in per cent.", minimum=0, maximum=100)
    high: float = described("At or above it another unit wakes, in per cent.", minimum=0, maximum=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When utilisation calls for a change."""

    cpu: Band = described("CPU.", default=Band(low=30.0, high=85.0), pending=True)
    memory: Band = described("Memory.", default=Band(low=40.0, high=75.0), pending=True)
    queue_delay_seconds: float = described(
        "Longest time, in s, that a reading may wait in a channel.", default=5.0, above=0, pending=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How much each objective counts."""

    RULES: ClassVar = (
        Rule(
            name="weights-some",
            rule="self.delay + self.loss + self.reliability > 0.0",
            message="weights must not all be 0; give delay, loss or reliability some weight",
        ),
    )

    delay: float = described("Weight of delay.", default=1.0, minimum=0, pending=True)
    loss: float = described("Weight of loss.", default=1.0, minimum=0, pending=True)
    reliability: float = described("Weight of reliability.", default=1.0, minimum=0, pending=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """How required resources are foreseen."""

    type: str = described(
        "Auto: whichever was best on recent data.",
        default="Auto",
        enum=("Auto", "Tree", "Analytic", "LastValue"),
        pending=True,
    )
    model_ref: Reference | None = described("ConfigMap with a tree of your own.", default=None, pending=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stabilisation:
    """How long a need must last before it is followed."""

    scale_up_seconds: float = described("Before waking, in s.", default=2.0, minimum=0, maximum=3600, pending=True)
    scale_down_seconds: float = described(
        "Before sleeping, in s.", default=120.0, minimum=0, maximum=86400, pending=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """What the plant as a whole shall deliver."""

    target_kw: float = described(
        "Power of the whole plant, in kW; positive is delivery to the grid. DERs hear of a change within about a "
        "minute.",
        default=0.0,
    )
    order: tuple[str, ...] = described(
        "DER kinds in the order they are called on; others are left to themselves. Empty: battery, then ev. Loads are "
        "never called on.",
        default=(),
        longest=6,
        enum=KINDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Community:
    """How the sites of a plant plan and trade as one energy community."""

    RULES: ClassVar = (
        Rule(
            name="community-interval",
            rule="60 % self.intervalMinutes == 0",
            message="community.intervalMinutes must divide an hour, for example 5, 15 or 60",
        ),
    )

    optimiser: str = described(
        "Exact: the linear or mixed-integer programme, solved to its optimum. Swarm: particle swarm, with its gap.",
        default="Exact",
        enum=("Exact", "Swarm"),
        pending=True,
    )
    settlement: str = described(
        "How traded energy is priced: at the balance's dual (ClearingPrice), halfway between the tariffs "
        "(MidMarketRate), by supply over demand, by shares of the community's bill, or by a uniform double auction.",
        default="ClearingPrice",
        enum=("ClearingPrice", "MidMarketRate", "SupplyDemandRatio", "BillSharing", "DoubleAuction"),
        pending=True,
    )
    interval_minutes: int = described(
        "Length of one interval of the plan, in minutes; divides an hour.",
        default=60,
        minimum=1,
        maximum=60,
        pending=True,
    )
    horizon_hours: int = described(
        "How far a plan reaches, in hours.", default=24, minimum=1, maximum=168, pending=True
    )
    fee_per_kwh: float = described(
        "Fee on traded energy, per kWh; a small one breaks ties.", default=0.0001, minimum=0.0001, pending=True
    )
    feeder_limit_kw: float = described(
        "Limit of the community's exchange with the grid, in kW; 0: none.", default=0.0, minimum=0, pending=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What may be awake at once."""

    channels: int = described("Channels; 0: no bound.", default=0, minimum=0, pending=True)
    workers: int = described("Spark workers; 0: no bound.", default=0, minimum=0, pending=True)
    watts: float = described("Power of all awake units, in W; 0: no bound.", default=0.0, minimum=0, pending=True)
