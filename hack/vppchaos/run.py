"""A day with faults: the plant of the demo with up to three channels, one fault after the other until the day ends."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vpp_contract.names import SIMULATOR_PORT
from vppchaos.faults import Target, bring_about, scale, start_signaller, victim, wait_for_moment, wait_for_recovery
from vppchaos.schedule import MOST_CHANNELS, Step, Wish, steps
from vppdemo import install, live
from vppdemo.kube import DemoError, Kube, wait_until
from vppdemo.plant import CHANNELS

_MOMENT_SECONDS: Final = 20.0
_RECOVERY_SECONDS: Final = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is sent, and for how long faults go on."""

    days: int
    acceleration: int
    reading_interval_seconds: int
    most_faults: int
    seconds: float
    """No fault begins later than this."""
    durability: str = "EndToEnd"
    """Of the QueueChannel. With EndToEnd channels lose their volumes, too."""

    @property
    def spool(self) -> str:
        """The size of a site's spool: so small that it is full before a broker takes readings again."""
        # With EndToEnd it also holds what the twin has not committed yet.
        return "1Mi" if self.durability == "EndToEnd" else "128Ki"


def run(kube: Kube, namespace: str, images: Mapping[str, str], size: Size, seed: int) -> dict[str, Any]:
    """Run a plant through faults to its end and return what happened, with the audit.

    Raises:
        DemoError: the plant did not come up, or did not come to rest afterwards.
    """
    install.plant(kube, namespace, None, change=lambda document: _resized(document, size))
    target = Target(kube=kube, namespace=namespace)
    start_signaller(target, images["vpp-edge"])
    started = time.monotonic()
    events = list(_faults(target, size, steps(seed, lose_volumes=size.durability == "EndToEnd"), started))
    scale(target, Wish(active=1, standby=0))
    print("  no more faults; the day goes on to its end", flush=True)
    live.follow_day(kube, namespace, timeout_seconds=600)
    _wait_for_rest(target)
    audit = live.audit(kube, namespace)
    status = kube.get("queuechannel", CHANNELS, "-n", namespace)["status"]
    return {
        "seed": seed,
        "durability": size.durability,
        "seconds": round(time.monotonic() - started, 1),
        "readings": {**audit["readings"], "inversions": audit["current_values"]["inversions"]},
        "behind": audit["current_values"]["behind"],
        "energy_max_relative_error": audit["energy_max_relative_error"],
        "latency_ms": audit["latency_ms"],
        "losses_reported": status.get("lost", []),
        "messages_sent_again": live.progress(kube, namespace, live.SIMULATOR_POD, SIMULATOR_PORT).get("sent_again"),
        "events": events,
    }


def _resized(document: Mapping[str, Any], size: Size) -> Mapping[str, Any]:
    spec = document["spec"]
    if document["kind"] == "VPPCluster":
        simulator = {
            **spec["simulator"],
            "days": size.days,
            "acceleration": size.acceleration,
            "readingIntervalSeconds": size.reading_interval_seconds,
        }
        return {**document, "spec": {**spec, "simulator": simulator}}
    if document["kind"] == "QueueChannel":
        # Small segments and a short margin, so that retention is at work while pods die.
        retention = {"segmentBytes": 200_000, "marginSeconds": 10}
        changes = {"max": MOST_CHANNELS, "retention": retention, "durability": size.durability}
        return {**document, "spec": {**spec, **changes}}
    if document["kind"] == "NanoGrid":
        return {**document, "spec": {**spec, "source": {**spec["source"], "spool": size.spool}}}
    return document


def _faults(target: Target, size: Size, schedule: Iterable[Step], started: float) -> Iterable[dict[str, Any]]:
    for step in schedule:
        elapsed = time.monotonic() - started
        if step.number > size.most_faults or elapsed > size.seconds or _day_is_over(target):
            return
        event = _one(target, step)
        event["at_seconds"] = round(elapsed, 1)
        yield event
        time.sleep(step.pause_seconds)


def _one(target: Target, step: Step) -> dict[str, Any]:
    """Do one step and say how it went; what could not be done is said, and does not count as a fault."""
    event: dict[str, Any] = {"component": step.component, "fault": str(step.fault), "moment": str(step.moment)}
    try:
        scale(target, step.wish)
        event["met"] = wait_for_moment(target, step.moment, _MOMENT_SECONDS)
        pod = victim(target, step)
        if pod is None:
            raise DemoError(f"there is no pod of {step.component} at this moment")
        event["pod"] = pod["metadata"]["name"]
        waits = _waits_for_room(target)
        event["done"] = bring_about(target, step, pod)
        event["waits_for_room"] = max(0, _waits_for_room(target) - waits)
    except DemoError as error:
        event["failed"] = str(error)[:300]
    if step.awaits_recovery and "done" in event:
        event["recovered_seconds"] = round(wait_for_recovery(target, step.component, _RECOVERY_SECONDS), 1)
    when = str(step.moment) if event.get("met") else f"{step.moment} (not seen)"
    said = event.get("done") or f"not done: {event['failed']}"
    back = f", back after {event['recovered_seconds']:g} s" if "recovered_seconds" in event else ""
    print(f"  {step.number:3} {step.fault} of {event.get('pod', step.component)} at {when}: {said}{back}", flush=True)
    return event


def _waits_for_room(target: Target) -> int:
    """Return how often a site has had to wait for room in its spool since the simulator started."""
    sent = live.progress(target.kube, target.namespace, live.SIMULATOR_POD, SIMULATOR_PORT)
    return int(sent.get("waits", 0))


def _day_is_over(target: Target) -> bool:
    """Whether the simulated day has been sent; a simulator that does not answer has not."""
    sent = live.progress(target.kube, target.namespace, live.SIMULATOR_POD, SIMULATOR_PORT)
    return bool(sent.get("state") == "Finished")


def _wait_for_rest(target: Target) -> None:
    def at_rest() -> bool:
        states = [channel["state"] for channel in target.channels()]
        return states.count("Active") == 1 and states.count("Asleep") == len(states) - 1

    wait_until(
        "the sleep of all channels but one",
        at_rest,
        timeout_seconds=180,
        explain=lambda: f"they are {[(channel['name'], channel['state']) for channel in target.channels()]};",
    )
