"""When a plant is looked at again."""

from __future__ import annotations

from enum import Enum


class Next(Enum):
    """When to look again, if nothing that is watched changes before."""

    NEVER = "nothing of it is left"
    LATER = "after the usual pause"
    SOON = "something is on its way that gives no sign"
