"""What a run with faults amounts to: counts, and what keeps it from being a success."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any


def counted(events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how many faults were done, by component and kind, and by the moment they fell into."""
    done = [event for event in events if "done" in event]
    return {
        "faults": len(done),
        "by_fault": dict(sorted(Counter(f"{event['component']}: {event['fault']}" for event in done).items())),
        "by_moment": dict(sorted(Counter(event["moment"] for event in done if event.get("met")).items())),
        "with_full_spools": sum(event.get("waits_for_room", 0) > 0 for event in done),
        "not_done": len(events) - len(done),
    }


def verdict(result: Mapping[str, Any]) -> list[str]:
    """Return what keeps a run from being a success, one sentence each."""
    readings = result["readings"]
    found = ["no reading was confirmed, so nothing was shown"] if not readings["confirmed"] else []
    found += [
        f"{readings[name]:,} readings were {words}"
        for name, words in (
            ("lost", "confirmed and are not in the history"),
            ("duplicated", "counted more than once"),
            ("phantom", "in the history and never confirmed"),
            ("inversions", "followed by an older one as a current value"),
        )
        if readings[name]
    ]
    if result["behind"]:
        found.append(f"{result['behind']} DERs do not end at their newest reading")
    error = result["energy_max_relative_error"]
    if error is None or not error <= 1e-6:
        found.append(f"energies differ from the source's by {error} (at most 1e-6)")
    emptying = [event for event in result["events"] if event["fault"] == "lost volume" and "done" in event]
    emptied = {event["pod"] for event in emptying}
    surprises = [loss for loss in result["losses_reported"] if loss["channel"] not in emptied]
    if surprises:
        found.append(f"the operator reports a loss that there should not be: {surprises}")
    # A channel that is not up yet may have had nothing to lose.
    held = {event["pod"] for event in emptying if event["moment"] != "Waking"}
    unsaid = held - {loss["channel"] for loss in result["losses_reported"]}
    if unsaid:
        found.append(f"the operator does not report the lost volumes of {', '.join(sorted(unsaid))}")
    return found
