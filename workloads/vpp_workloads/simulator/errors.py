"""The simulator's errors. Each text says what is wrong, where, and what to do."""

from __future__ import annotations


class SimulatorError(Exception):
    """Anything the simulator cannot do."""


class ConfigError(SimulatorError, ValueError):
    """The configuration is missing, malformed or contradicts itself."""


class DataError(SimulatorError, ValueError):
    """A data folder is not of the documented format, or has a gap."""
