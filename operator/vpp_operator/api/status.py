"""The schemas of `status` and the columns `kubectl get` shows: what the operator reports, as it stands in YAML."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _whole(description: str) -> Schema:
    return {"type": "integer", "format": "int64", "description": description}


def _object(description: str, **properties: Schema) -> Schema:
    return {"type": "object", "description": description, "properties": properties}


def _list(description: str, key: str, **properties: Schema) -> Schema:
    item = {"type": "object", "properties": properties, "required": [key]}
    return {
        "type": "array",
        "description": description,
        "items": item,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [key],
    }


def _conditions(kinds: str) -> Schema:
    return _list(
        f"What can be said of the resource: {kinds}.",
        "type",
        type=_text("Name of the condition."),
        status={**_text("True, False or Unknown."), "enum": ["True", "False", "Unknown"]},
        reason=_text("Why, in a word."),
        message=_text("Why, in a sentence."),
        lastTransitionTime={**_text("When `status` last changed."), "format": "date-time"},
        observedGeneration=_whole("The generation of the spec this was said of."),
    )


_DECISION: Final[Schema] = {
    "type": "object",
    "description": "The last decision with its inputs, rule, requirement, result and constraints. Not written yet.",
    "x-kubernetes-preserve-unknown-fields": True,
}


def _common(conditions: str, **properties: Schema) -> Schema:
    return {
        "type": "object",
        "description": "What the operator found and did; written by the operator alone.",
        "properties": {
            "observedGeneration": _whole("The generation of the spec that was last carried out."),
            "conditions": _conditions(conditions),
            **properties,
        },
    }


STATUS: Final = {
    "VPPCluster": _common(
        "Ready, MetricsAvailable, Degraded, Reliable, FeaturesPending",
        replicas=_whole("Spark workers that are ready."),
        selector=_text("Label selector of the workers' pods."),
        pools=_list(
            "The worker pools.",
            "name",
            name=_text("Name of the pool."),
            desired=_whole("Workers wanted."),
            active=_whole("Workers made."),
            ready=_whole("Workers that are ready."),
        ),
        topologyGeneration=_whole("Generation of the topology last published."),
        streaming=_object(
            "What the streaming driver says of itself.",
            state=_text("Starting, Running, Failed; Unknown while the driver does not answer."),
            reason=_text("Why it is not running."),
        ),
        simulator=_object("The simulator.", state=_text("Waiting or Running."), sites=_whole("Simulated sites.")),
        sites=_whole("NanoGrids of this plant."),
        lastDecision=_DECISION,
    ),
    "QueueChannel": _common(
        "Ready, Degraded, ScalingLimited, FeaturesPending",
        replicas=_whole("Active channels."),
        selector=_text("Label selector of the channels' pods."),
        channels=_list(
            "The channels.",
            "name",
            name=_text("Name of the channel and of its pod."),
            state=_text("Starting, Waking, Active, Standby, Draining, Asleep or Down."),
            stream=_text("The stream that holds the channel's readings."),
            host=_text("Host name of the channel's broker."),
            committedOffset=_whole("Offset up to which the twin has committed the stream."),
            firstOffset=_whole("Offset of the oldest reading that is still stored."),
            messages=_whole("Messages stored."),
            reason=_text("Why the channel is in this state."),
            drainingSince={**_text("When the drain began."), "format": "date-time"},
            markerOffset=_whole(
                "Offset of the end marker behind the last reading; the channel sleeps once it is committed."
            ),
            fillingSince={
                **_text("When it became active, while it awaits its share of the connections."),
                "format": "date-time",
            },
            gaveUpGeneration=_whole("Generation of the spec for which the drain has passed drainDeadlineSeconds."),
        ),
        lost=_list(
            "Ranges of offsets that vanished before the twin had read them.",
            "stream",
            stream=_text("The stream."),
            channel=_text("The channel."),
            fromOffset=_whole("First offset lost."),
            toOffset=_whole("First offset after the range; -1 where it is not known."),
            reason=_text("How it happened."),
        ),
        lastDecision=_DECISION,
    ),
    "NanoGrid": _common(
        "Ready, FeaturesPending",
        secretName=_text("Secret with the site's account and gateway settings."),
        ders={"type": "array", "items": {"type": "string"}, "description": "The site's DERs."},
        source=_text("Gateway or Simulated."),
        credentials=_object(
            "The site's accounts on the brokers.",
            generation=_whole("Generation of the account in the Secret."),
            previous=_text("The account before, while it is valid, too."),
            previousUnusedSince={
                **_text("Since when nobody has been seen to use the account before."),
                "format": "date-time",
            },
            silentSince={**_text("Since when the site has not been connected at all."), "format": "date-time"},
        ),
        role=_text("Prosumer, Consumer or Balanced. Not written yet."),
    ),
}


def _column(name: str, path: str, kind: str = "string", priority: int = 0) -> Schema:
    made: Schema = {"name": name, "type": kind, "jsonPath": path}
    return {**made, "priority": priority} if priority else made


def _condition(kind: str, field: str = "status") -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_READY: Final = (_column("Ready", _condition("Ready")), _column("Reason", _condition("Ready", "reason")))
_AGE: Final = _column("Age", ".metadata.creationTimestamp", "date")

COLUMNS: Final = {
    "VPPCluster": (
        _column("Mode", ".spec.mode"),
        _column("Workers", ".status.replicas", "integer"),
        _column("Sites", ".status.sites", "integer"),
        _column("Streaming", ".status.streaming.state"),
        *_READY,
        _column("Message", _condition("Ready", "message"), priority=1),
        _AGE,
    ),
    "QueueChannel": (
        _column("VPP", ".spec.vppRef.name"),
        _column("Mode", ".spec.mode"),
        _column("Active", ".status.replicas", "integer"),
        _column("Min", ".spec.min", "integer"),
        _column("Max", ".spec.max", "integer"),
        *_READY,
        _column("Message", _condition("Ready", "message"), priority=1),
        _AGE,
    ),
    "NanoGrid": (
        _column("VPP", ".spec.vppRef.name"),
        _column("Source", ".spec.source.type"),
        _column("DERs", ".status.ders"),
        *_READY,
        _column("Message", _condition("Ready", "message"), priority=1),
        _AGE,
    ),
}
