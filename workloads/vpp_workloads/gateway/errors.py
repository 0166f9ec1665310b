"""The gateway's errors. Each text says what is wrong, where, and what to do."""

from __future__ import annotations


class GatewayError(Exception):
    """Anything the gateway cannot do."""


class SettingsError(GatewayError, ValueError):
    """The settings file is missing, malformed or incomplete."""


class SpoolError(GatewayError):
    """The spool on disk cannot be used."""


class SpoolFullError(SpoolError):
    """The spool has had no room for as long as the caller was willing to wait; the measurements were refused."""


class NotConnectedError(GatewayError):
    """No broker has accepted the connection within the time."""


class MeasurementError(GatewayError, ValueError):
    """A measurement is not of this site, of an unknown kind, or not finite."""
