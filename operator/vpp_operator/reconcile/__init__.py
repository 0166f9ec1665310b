"""From specs to a running plant: see `plant` for the order of steps, the other modules for one step each."""

from vpp_operator.reconcile.gather import plant_names
from vpp_operator.reconcile.memory import Memory
from vpp_operator.reconcile.plant import reconcile_plant

__all__ = ["Memory", "plant_names", "reconcile_plant"]
