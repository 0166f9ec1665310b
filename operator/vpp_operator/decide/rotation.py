"""When the old account of a site may go after a new one was made: pure, from who is connected with which.

Both accounts are valid on every broker until then, so a client that has not heard of the new one loses nothing. What is
remembered are two moments, which `status` keeps: an operator that dies between two looks goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """How far a rotation is. Times are seconds since the epoch."""

    old_unused_since: float | None = None
    """Since when nobody has been seen with the old account."""
    silent_since: float | None = None
    """Since when nobody has been seen with either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the brokers that are up say of a site's two accounts."""

    without_answer: tuple[str, ...] = ()
    """Brokers that may have clients and do not tell."""
    old_connections: int = 0
    """To channels and control broker, with the old account."""
    new_channel_connections: int = 0
    """To channels, with the new account: readings can go there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long to wait."""

    grace_seconds: float
    """The old account must not have been used for so long, while the new one is connected."""
    silence_seconds: float
    """The site must have been silent for so long, whatever account it had."""


def advanced(before: Rotation, seen: Seen, limits: Limits, now: float) -> tuple[Rotation, bool, str]:
    """Return how far the rotation is now, whether the old account may go, and in words what is waited for."""
    if seen.old_connections:
        return Rotation(), False, f"{seen.old_connections} of its connections use the old account"
    # A broker that does not answer may have clients with the old account: nothing ends before it has been heard.
    if seen.without_answer:
        return before, False, f"who is connected to {', '.join(seen.without_answer)} is not known"
    after = replace(before, old_unused_since=_first(before.old_unused_since, now))
    if seen.new_channel_connections:
        unused_seconds = now - _first(after.old_unused_since, now)
        done = unused_seconds >= limits.grace_seconds
        reason = f"the old account has not been used for {unused_seconds:.0f} of {limits.grace_seconds:g} s"
        return replace(after, silent_since=None), done, reason
    after = replace(after, silent_since=_first(before.silent_since, now))
    silent_seconds = now - _first(after.silent_since, now)
    done = silent_seconds >= limits.silence_seconds
    return after, done, f"the site has not connected for {silent_seconds:.0f} of {limits.silence_seconds:g} s"


def _first(since: float | None, now: float) -> float:
    return now if since is None else since
