"""Names on brokers, in storage and in the time-series database that several images rely on."""

from __future__ import annotations

import re
from typing import Final

INGRESS_EXCHANGE: Final = "ingress"
"""Topic exchange all publishers of readings write to; sites hold topic permissions here."""
READINGS_EXCHANGE: Final = "readings"
"""Exchange of the chosen type, bound behind `ingress`, that feeds the streams."""
STREAM_PREFIX: Final = "readings-"
"""A stream is called `readings-<random id>`: a missing name is a lost stream, a new one starts at offset 0."""
COMMANDS_EXCHANGE: Final = "commands"
"""Topic exchange on the control broker for all that sites shall hear: commands and marks."""
ACKNOWLEDGEMENTS_EXCHANGE: Final = "acknowledgements"
ACKNOWLEDGEMENTS_QUEUE: Final = "acknowledgements"
"""Queue on the control broker that the driver reads DERs' answers from."""
COMMANDS_QUEUE_PREFIX: Final = "commands-"
MARKS_TO_ALL_KEY: Final = "marks"
"""Routing key of what every site's gateway shall hear, see `vpp_contract.marks`."""
TOPOLOGY_STREAM: Final = "topology"
"""Stream on the control broker whose last message is the current topology."""

TRAFFIC_LABEL: Final = "vpp.energy/traffic"
VPP_LABEL: Final = "vpp.energy/vpp"

DRIVER_PORT: Final = 8090
SIMULATOR_PORT: Final = 8091

PROCESSING_TABLE: Final = "processing_cluster"
QUEUING_TABLE: Final = "queuing_cluster"
METRIC_FIELDS: Final = (
    "cpu_percent",
    "memory_percent",
    "disk_percent",
    "tasks",
    "queue_delay_seconds",
    "in_bytes_per_second",
    "out_bytes_per_second",
)

TWIN_STATE_MEASUREMENT: Final = "twin_state"
TWIN_ENERGY_MEASUREMENT: Final = "twin_energy"
TWIN_BATCHES_MEASUREMENT: Final = "twin_batches"
TWIN_HEALTH_MEASUREMENT: Final = "twin_health"
TWIN_PLANT_MEASUREMENT: Final = "twin_plant"
TWIN_SETPOINTS_MEASUREMENT: Final = "twin_setpoints"

HISTORY_FOLDER: Final = "history"
RECENT_FOLDER: Final = "recent"
POISON_FOLDER: Final = "poison"
CHECKPOINT_FOLDER: Final = "checkpoint"


def site_username(site: str, generation: int = 1) -> str:
    """Return the broker account of a site, of one generation of its credentials.

    A site's name has no dot, so no generation can be mistaken for another site. What a site may do goes by its name,
    never by the name of an account.
    """
    return f"site-{site}" if generation == 1 else f"site-{site}.g{generation}"


def readings_key(site: str, device: str | None = None) -> str:
    """Return the routing key of a site's batches, or of one device's own messages."""
    return f"readings.{site}" if device is None else f"readings.{site}.{device}"


def readings_key_pattern(site: str) -> str:
    """Return the regular expression of the routing keys that a site may publish."""
    return rf"^readings\.{re.escape(site)}(\..*)?$"


def site_of_key(routing_key: str) -> str | None:
    """Return the site a routing key of readings names, None for any other key."""
    words = routing_key.split(".")
    return words[1] if len(words) >= 2 and words[0] == "readings" else None


def commands_queue(site: str) -> str:
    """Return the queue on the control broker that a site's gateway reads."""
    return f"{COMMANDS_QUEUE_PREFIX}{site}"


def commands_key(site: str, device: str) -> str:
    """Return the routing key of commands to a device; `#` as device stands for all of the site, in a binding."""
    return f"commands.{site}.{device}"


def acknowledgements_key(site: str, device: str) -> str:
    """Return the routing key under which a site acknowledges commands to a device."""
    return f"acknowledgements.{site}.{device}"


def commands_key_pattern(site: str) -> str:
    """Return the regular expression of the keys under which a site may ask for commands."""
    return rf"^{COMMANDS_EXCHANGE}\.{re.escape(site)}(\..*)?$"


def acknowledgements_key_pattern(site: str) -> str:
    """Return the regular expression of the keys under which a site may acknowledge."""
    return rf"^{ACKNOWLEDGEMENTS_EXCHANGE}\.{re.escape(site)}(\..*)?$"


def mqtt_subscriptions(site: str) -> str:
    """Return a regular expression of the queues that RabbitMQ makes for a site's MQTT subscribers.

    They are called after the client identifier, so that has to begin with the site and a slash.
    """
    return rf"mqtt-subscription-{re.escape(site)}/.*qos[01]"


def marks_key(site: str) -> str:
    """Return the routing key of the twin's marks for a site, see `vpp_contract.marks`."""
    return f"{MARKS_TO_ALL_KEY}.{site}"
