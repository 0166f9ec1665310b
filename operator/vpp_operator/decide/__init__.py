"""Decisions as pure functions of values: no server is asked and no clock is read here."""
