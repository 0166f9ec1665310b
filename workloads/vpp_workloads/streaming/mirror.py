"""The digital twin's judgement: what the driver thinks of each DER and of the plant, batch by batch. No I/O.

It holds each DER's newest values (they come again with the next readings after a restart), lets the rules look at them,
adds up the plant, dispatches it, and says which points and commands follow. `operations` runs it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vpp_contract.commands import Acknowledgement, Command
from vpp_contract.plant import Plant, Rating
from vpp_contract.readings import QUANTITIES, Reading, site_of
from vpp_workloads.streaming import setpoints
from vpp_workloads.streaming.aggregate import Aggregate, aggregate
from vpp_workloads.streaming.dispatch import DEFAULT_ORDER, Plan, Unit, delivery_of, plan, setpoint_kw, unit_of
from vpp_workloads.streaming.expected import expected_pv_kw
from vpp_workloads.streaming.health import SILENT_SECONDS, Case, Finding, findings, silent
from vpp_workloads.streaming.points import health_line, plant_line, setpoint_line
from vpp_workloads.streaming.watch import Flow, Watch, begin, observe

_UNFIT = frozenset({"silent", "out_of_range"})
"""Who is found so is not dispatched: what it says cannot be relied on."""

Found = tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look at the plant came to."""

    lines: list[str]
    commands: list[Command]
    summary: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Mirror:
    """One plant; not safe between threads."""

    vpp: str
    heard_since_us: int
    """Since when readings have been taken without a pause, by the driver's clock in µs."""
    plant: Plant = field(default_factory=Plant)
    _watches: dict[str, Watch] = field(default_factory=dict)
    _ders: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    _found: dict[str, Found] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _entries: dict[str, setpoints.Entry] = field(default_factory=dict)
    _written: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    _plant_line: str = ""
    _ratings: dict[tuple[str, str], Rating] = field(default_factory=dict)

    def knows(self, plant: Plant) -> None:
        """Take over what the resources say now; every DER is judged again."""
        self.plant = plant
        self._ratings = {(rating.site, rating.kind): rating for rating in plant.ratings}
        self._changed |= set(self._watches)

    def take(self, rows: Iterable[Mapping[str, Any]], now_us: int) -> None:
        """Take the newest values of some DERs, rows of `columns.TWIN_ROW`; those known already change nothing."""
        for row in rows:
            reading = _reading(row)
            der, kind = reading.der, reading.kind
            self._ders.setdefault((site_of(der), kind), set()).add(der)
            watch, rating = self._watches.get(der), self._rating(der, kind)
            if watch is None or watch.reading.kind != kind:
                self._watches[der] = begin(reading, rating, now_us)
            else:
                self._watches[der] = observe(watch, reading, _flow(row), rating, now_us)
            self._changed.add(der)

    def acknowledge(self, answer: Acknowledgement) -> None:
        """Take a DER's answer to a command."""
        self._entries = setpoints.answered(self._entries, answer)

    def sent(self, command: Command) -> None:
        """Note that the broker has a command."""
        self._entries = setpoints.sent(self._entries, command)

    def look(self, now_us: int, *, listening: bool = True) -> Look:
        """Judge what has changed, add up the plant, dispatch it.

        A driver that is not `listening` calls nobody silent, and commands nobody by values that may be old.
        """
        if not listening:
            self.heard_since_us = now_us
        news = self._judge(now_us)
        readings = [watch.reading for watch in self._watches.values()]
        quiet = {der for der, found in self._found.items() if any(one.reason == "silent" for one in found)}
        sums = aggregate(readings, quiet)
        self._entries = setpoints.lapsed(self._entries, now_us)
        dispatched, commands = self._dispatch(readings, sums, now_us) if listening else (None, [])
        reasons = Counter(one.reason for found in self._found.values() for one in found)
        lines = []
        if sums is not None:
            lines = [self._health_line(der, found, sums.event_time_us, now_us) for der, found in news]
            lines += self._setpoint_lines(sums.event_time_us)
            line = plant_line(self.vpp, _plant_fields(sums, dispatched, reasons), sums.event_time_us)
            lines += [line] if line != self._plant_line else []
            self._plant_line = line
        return Look(lines=lines, commands=commands, summary=self._summary(sums, dispatched, reasons))

    def _rating(self, der: str, kind: str) -> Rating | None:
        """Return what the spec says of a DER: of the one that bears its kind's name, or of the only one of its kind."""
        site = site_of(der)
        alone = len(self._ders.get((site, kind), ())) == 1
        return self._ratings.get((site, kind)) if alone or der == f"{site}/{kind}" else None

    def _case(self, der: str, now_us: int) -> Case:
        watch = self._watches[der]
        rating = self._rating(der, watch.reading.kind)
        return Case(watch=watch, rating=rating, now_us=now_us, heard_since_us=self.heard_since_us)

    def _judge(self, now_us: int) -> list[tuple[str, Found]]:
        """Return the DERs of which something else is found than before; of a new one also that it is well."""
        news = []
        for der in [der for der in self._watches if self._has_left(der, now_us)]:
            self._forget(der)
        for der in self._watches:
            if der in self._changed or silent(self._case(der, now_us)) is not None:
                found, before = findings(self._case(der, now_us)), self._found.get(der)
                if before is None or [one.reason for one in before] != [one.reason for one in found]:
                    news.append((der, found))
                self._found[der] = found
        self._changed.clear()
        absent = {}
        for (site, kind), rating in self._ratings.items():
            seconds = (now_us - self.heard_since_us) / 1e6
            if not self._ders.get((site, kind)) and seconds > SILENT_SECONDS + rating.quiet_seconds:
                evidence = f"no reading has arrived for the {seconds:.0f} s that the driver has been listening"
                absent[f"{site}/{kind}"] = (Finding(reason="silent", evidence=evidence),)
        for der in [der for der in self._found if der not in self._watches and der not in absent]:
            del self._found[der]
        news += [(der, found) for der, found in absent.items() if der not in self._found]
        self._found |= absent
        return news

    def _has_left(self, der: str, now_us: int) -> bool:
        """Whether a DER is silent because its site belongs to the plant no more."""
        sites = self.plant.sites
        return bool(sites) and site_of(der) not in sites and silent(self._case(der, now_us)) is not None

    def _forget(self, der: str) -> None:
        kind = self._watches.pop(der).reading.kind
        self._ders[site_of(der), kind].discard(der)
        for known in (self._found, self._entries, self._written):
            known.pop(der, None)

    def _dispatch(
        self, readings: Sequence[Reading], sums: Aggregate | None, now_us: int
    ) -> tuple[Plan | None, list[Command]]:
        target = self.plant.target
        if target is None or sums is None:
            return None, []
        order = target.order or DEFAULT_ORDER
        units, fixed_kw = {}, 0.0
        for reading in readings:
            reasons = {one.reason for one in self._found.get(reading.der, ())}
            unit = None
            if reading.kind in order and not reasons & _UNFIT:
                unit = self._unit(reading, now_us)
            if unit is not None:
                units[unit.der] = unit
            elif "silent" not in reasons:
                fixed_kw += delivery_of(reading.kind, reading.power_kw)
        result = plan(target.power_kw, fixed_kw, list(units.values()), order)
        wanted = {}
        for der, delivery_kw in result.delivery_kw.items():
            rating = self._rating(der, units[der].kind)
            wanted_kw, free = setpoint_kw(units[der], delivery_kw, rating)
            entry = self._entries.get(der)
            # One that may do as it likes needs no command, only the end of one that held it back.
            if not free or (entry is not None and entry.command.setpoint_kw != wanted_kw):
                wanted[der] = wanted_kw
        return result, setpoints.due(self._entries, wanted, now_us)

    def _unit(self, reading: Reading, now_us: int) -> Unit | None:
        if not setpoints.takes_setpoints(self._entries, reading.der, now_us):
            return None
        return unit_of(reading, self._rating(reading.der, reading.kind))

    def _tags(self, der: str) -> dict[str, str]:
        watch = self._watches.get(der)
        kind = watch.reading.kind if watch is not None else der.partition("/")[2]
        return {"site": site_of(der), "der": der, "kind": kind}

    def _health_line(self, der: str, found: Found, time_us: int, now_us: int) -> str:
        watch = self._watches.get(der)
        fields: dict[str, Any] = {
            "healthy": not found,
            "reasons": ",".join(one.reason for one in found),
            "evidence": "; ".join(one.evidence for one in found),
            "judged_us": now_us,
        }
        if watch is not None:
            fields["measured_kw"] = watch.reading.power_kw
            fields["expected_kw"] = expected_pv_kw(watch.reading, self._rating(der, watch.reading.kind))
        return health_line(self.vpp, self._tags(der), fields, time_us)

    def _setpoint_lines(self, time_us: int) -> list[str]:
        """Return the set-points of DERs where something of them has changed."""
        lines = []
        for der, watch in self._watches.items():
            entry, reported_kw = self._entries.get(der), watch.reading.setpoint_kw
            if entry is None and reported_kw is None and der not in self._written:
                continue
            answer = entry.answer if entry is not None else None
            now = (
                entry.command.setpoint_kw if entry is not None else None,
                answer.status.value if answer is not None else ("sent" if entry is not None else "none"),
                answer.reason if answer is not None else "",
                answer.setpoint_kw if answer is not None else None,
                reported_kw,
            )
            if self._written.get(der) == now:
                continue
            self._written[der] = now
            names = ("desired_kw", "status", "reason", "acknowledged_kw", "reported_kw")
            fields: dict[str, Any] = dict(zip(names, now, strict=True))
            if entry is not None:
                fields |= {"issued_us": entry.command.issued_us, "answered_us": answer.at_us if answer else None}
            lines.append(setpoint_line(self.vpp, self._tags(der), fields, time_us))
        return lines

    def _summary(self, sums: Aggregate | None, dispatched: Plan | None, reasons: Counter[str]) -> dict[str, Any]:
        """Return what `/progress` says."""
        statuses = Counter(entry.answer.status.value if entry.answer else "sent" for entry in self._entries.values())
        target = self.plant.target
        return {
            "ders": sums.ders if sums is not None else 0,
            "unhealthy": sum(bool(found) for found in self._found.values()),
            "unhealthy_by_reason": dict(sorted(reasons.items())),
            "event_time_us": sums.event_time_us if sums is not None else None,
            "delivery_kw": round(sums.delivery_kw, 3) if sums is not None else None,
            "target_kw": target.power_kw if target is not None else None,
            "unserved_kw": round(dispatched.unserved_kw, 3) if dispatched is not None else None,
            "commands": dict(sorted(statuses.items())),
        }


def _plant_fields(sums: Aggregate, dispatched: Plan | None, reasons: Counter[str]) -> dict[str, Any]:
    fields = {name: getattr(sums, name) for name in Aggregate.__slots__ if name != "event_time_us"}
    fields |= {f"unhealthy_{reason}": count for reason, count in sorted(reasons.items())}
    if dispatched is not None:
        fields |= {
            name: getattr(dispatched, name) for name in ("target_kw", "fixed_kw", "dispatched_kw", "unserved_kw")
        }
    return fields


def _reading(row: Mapping[str, Any]) -> Reading:
    quantities: dict[str, Any] = {
        name: value if (value := row[name]) is not None and math.isfinite(value) else None for name in QUANTITIES
    }
    return Reading(
        der=row["der"], kind=row["kind"], boot=row["boot"], seq=row["seq"], event_time_us=row["event_time_us"],
        created_us=row["created_us"], **quantities,
    )  # fmt: skip


def _flow(row: Mapping[str, Any]) -> Flow:
    return Flow(
        after_boot=row["after_boot"], after_seq=row["after_seq"], readings=row["flow_readings"],
        charged_kwh=row["charged_kwh"], discharged_kwh=row["discharged_kwh"],
    )  # fmt: skip
