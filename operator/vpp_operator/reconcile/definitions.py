"""What must be on a broker, and what is missing or too much on one: pure values in RabbitMQ's definitions format."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vpp_contract import names as contract
from vpp_operator.ports import Manifest

SITE_PREFIX: Final = contract.site_username("")
STREAM_PREFIX: Final = contract.STREAM_PREFIX
RETENTION_POLICY_PREFIX: Final = "vpp-retention-"
_VHOST: Final = "/"
_NOTHING: Final = "^$"
_COMMANDS_KEPT: Final = 1000
_COMMANDS_KEPT_MS: Final = 3_600_000
_ANSWERS_KEPT: Final = 100_000
_TYPES: Final = {"consistent-hash": "x-consistent-hash"}
_SECTIONS: Final = ("users", "permissions", "topic_permissions", "exchanges", "queues", "bindings")
_IDENTITY: Final = {
    "users": ("name",),
    "permissions": ("user", "vhost"),
    "topic_permissions": ("user", "vhost", "exchange"),
    "exchanges": ("name", "vhost"),
    "queues": ("name", "vhost"),
    "bindings": ("source", "vhost", "destination", "destination_type", "routing_key"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One generation of a site's account."""

    generation: int
    username: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site's account, the one before it while both are valid, and the names of its devices."""

    name: str
    password: str
    devices: tuple[str, ...] = ()
    generation: int = 1
    previous: Account | None = None

    @property
    def username(self) -> str:
        """The name of the account that the site is to use."""
        return contract.site_username(self.name, self.generation)

    @property
    def accounts(self) -> tuple[tuple[str, str], ...]:
        """Name and password of every account that is valid."""
        before = () if self.previous is None else ((self.previous.username, self.previous.password),)
        return ((self.username, self.password), *before)


def password_hash(password: str, salt: bytes) -> str:
    """Return RabbitMQ's salted SHA-256 in base64; `salt` has four bytes."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def has_password(user: Mapping[str, Any], password: str) -> bool:
    """Tell whether an exported user has this password."""
    hashed = str(user.get("password_hash", ""))
    return password_hash(password, base64.b64decode(hashed)[:4]) == hashed


def _user(name: str, password: str) -> dict[str, Any]:
    salt = hashlib.sha256(f"{name}:{password}".encode()).digest()[:4]
    return {
        "name": name,
        "password": password,
        "password_hash": password_hash(password, salt),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": [],
    }


def _site_users(sites: Sequence[Site]) -> list[dict[str, Any]]:
    return [_user(*account) for site in sites for account in site.accounts]


def _site_accounts(sites: Sequence[Site]) -> list[tuple[str, str]]:
    """Return (site, user) of every account of every site: what it may do goes by the site."""
    return [(site.name, user) for site in sites for user, _ in site.accounts]


def _permission(user: str, *, configure: str = _NOTHING, write: str = _NOTHING, read: str = _NOTHING) -> dict[str, str]:
    return {"user": user, "vhost": _VHOST, "configure": configure, "write": write, "read": read}


def _topic_permission(user: str, exchange: str, write: str, read: str = _NOTHING) -> dict[str, str]:
    return {"user": user, "vhost": _VHOST, "exchange": exchange, "write": write, "read": read}


def _exchange(name: str, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "vhost": _VHOST,
        "type": kind,
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {},
    }


def _stream(name: str, segment_bytes: int, **arguments: Any) -> dict[str, Any]:
    return {
        "name": name,
        "vhost": _VHOST,
        "durable": True,
        "auto_delete": False,
        "arguments": {"x-queue-type": "stream", "x-stream-max-segment-size-bytes": segment_bytes, **arguments},
    }


def _commands_queue(site: str) -> dict[str, Any]:
    """Return the queue of what a site shall hear. A gateway that stays away for long finds the newest messages only."""
    arguments = {
        "x-queue-type": "quorum",
        "x-max-length": _COMMANDS_KEPT,
        "x-overflow": "drop-head",
        "x-message-ttl": _COMMANDS_KEPT_MS,
    }
    name = contract.commands_queue(site)
    return {"name": name, "vhost": _VHOST, "durable": True, "auto_delete": False, "arguments": arguments}


def _acknowledgements_queue() -> dict[str, Any]:
    """Return the queue of all answers. They are about the present: what no driver read for long is of no use."""
    arguments = {
        "x-queue-type": "quorum",
        "x-max-length": _ANSWERS_KEPT,
        "x-overflow": "drop-head",
        "x-message-ttl": _COMMANDS_KEPT_MS,
    }
    name = contract.ACKNOWLEDGEMENTS_QUEUE
    return {"name": name, "vhost": _VHOST, "durable": True, "auto_delete": False, "arguments": arguments}


def _binding(source: str, destination: str, kind: str, key: str) -> dict[str, Any]:
    return {
        "source": source,
        "vhost": _VHOST,
        "destination": destination,
        "destination_type": kind,
        "routing_key": key,
        "arguments": {},
    }


def channel_definitions(
    *, exchange: str, stream: str, segment_bytes: int, reader: tuple[str, str], sites: Sequence[Site]
) -> dict[str, Any]:
    """Return what must be on a channel.

    Sites write to `ingress`, where their topic permissions live; the exchange of the chosen type behind it feeds the
    stream. `reader` is the driver's name and password.
    """
    bindings = [_binding(contract.INGRESS_EXCHANGE, contract.READINGS_EXCHANGE, "exchange", "#")]
    bindings += [_binding(contract.READINGS_EXCHANGE, stream, "queue", key) for key in _keys(exchange, sites)]
    return {
        "users": [_user(*reader), *_site_users(sites)],
        "permissions": [
            _permission(reader[0], read=".*"),
            *(_permission(user, write=f"^{contract.INGRESS_EXCHANGE}$") for _, user in _site_accounts(sites)),
        ],
        "topic_permissions": [
            _topic_permission(user, contract.INGRESS_EXCHANGE, contract.readings_key_pattern(site))
            for site, user in _site_accounts(sites)
        ],
        "exchanges": [
            _exchange(contract.INGRESS_EXCHANGE, "topic"),
            _exchange(contract.READINGS_EXCHANGE, _TYPES.get(exchange, exchange)),
        ],
        "queues": [_stream(stream, segment_bytes)],
        "bindings": bindings,
    }


def _keys(exchange: str, sites: Sequence[Site]) -> list[str]:
    """Return the keys that bind a stream to an exchange of this type so that it gets every reading."""
    if exchange == "direct":
        return sorted(
            key
            for site in sites
            for key in (
                contract.readings_key(site.name),
                *(contract.readings_key(site.name, device) for device in site.devices),
            )
        )
    return {"topic": ["#"], "consistent-hash": ["1"]}.get(exchange, [""])


def control_definitions(*, reader: tuple[str, str], sites: Sequence[Site]) -> dict[str, Any]:
    """Return what must be on the control broker.

    A site's gateway reads the site's queue and writes to `acknowledgements`. MQTT knows one exchange only, so devices
    subscribe to `commands`, answer there, and what they answer is handed on.
    """
    stream = _stream(contract.TOPOLOGY_STREAM, 100_000, **{"x-max-length-bytes": 1_000_000})
    answers = f"{contract.ACKNOWLEDGEMENTS_EXCHANGE}.#"
    return {
        "users": [_user(*reader), *_site_users(sites)],
        "permissions": [
            _permission(reader[0], write=f"^{contract.COMMANDS_EXCHANGE}$", read=".*"),
            *(_site_permission(site, user) for site, user in _site_accounts(sites)),
        ],
        "topic_permissions": [
            permission for site, user in _site_accounts(sites) for permission in _site_topics(site, user)
        ],
        "exchanges": [
            _exchange(contract.COMMANDS_EXCHANGE, "topic"),
            _exchange(contract.ACKNOWLEDGEMENTS_EXCHANGE, "topic"),
        ],
        "queues": [stream, _acknowledgements_queue(), *(_commands_queue(site.name) for site in sites)],
        "bindings": [
            _binding(contract.COMMANDS_EXCHANGE, contract.ACKNOWLEDGEMENTS_EXCHANGE, "exchange", answers),
            _binding(contract.ACKNOWLEDGEMENTS_EXCHANGE, contract.ACKNOWLEDGEMENTS_QUEUE, "queue", answers),
            *(
                _binding(contract.COMMANDS_EXCHANGE, contract.commands_queue(site.name), "queue", key)
                for site in sites
                for key in (
                    contract.commands_key(site.name, "#"),
                    contract.marks_key(site.name),
                    contract.MARKS_TO_ALL_KEY,
                )
            ),
        ],
    }


def _site_permission(site: str, user: str) -> dict[str, str]:
    """Return what a site's account may touch: its own queue, those of its MQTT subscribers, and the two exchanges."""
    subscriptions = contract.mqtt_subscriptions(site)
    exchanges = f"{contract.COMMANDS_EXCHANGE}|{contract.ACKNOWLEDGEMENTS_EXCHANGE}"
    return _permission(
        user,
        configure=f"^{subscriptions}$",
        write=f"^({exchanges}|{subscriptions})$",
        read=f"^({re.escape(contract.commands_queue(site))}|{contract.COMMANDS_EXCHANGE}|{subscriptions})$",
    )


def _site_topics(site: str, user: str) -> list[dict[str, str]]:
    """Return under which keys: it hears its own commands and answers for itself."""
    answers = contract.acknowledgements_key_pattern(site)
    return [
        _topic_permission(user, contract.COMMANDS_EXCHANGE, answers, contract.commands_key_pattern(site)),
        _topic_permission(user, contract.ACKNOWLEDGEMENTS_EXCHANGE, answers),
    ]


def missing(live: Manifest, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the wanted definitions that a broker lacks or has otherwise."""
    found: dict[str, Any] = {}
    for section in _SECTIONS:
        there = {_identity(section, item): item for item in live.get(section, ())}
        lacking = [item for item in wanted[section] if not _same(section, there.get(_identity(section, item)), item)]
        if lacking:
            found[section] = [_importable(section, item) for item in lacking]
    return found


def _identity(section: str, item: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(item.get(name) for name in _IDENTITY[section])


def _same(section: str, live: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> bool:
    if live is None:
        return False
    if section == "users":
        return has_password(live, wanted["password"])
    # An exchange or queue cannot be changed in place, and a binding is nothing but its identity: being there is all.
    if section in ("exchanges", "queues", "bindings"):
        return True
    return all(live.get(name) == value for name, value in wanted.items())


def _importable(section: str, item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if not (section == "users" and name == "password")}


def surplus_users(live: Manifest, wanted: Mapping[str, Any], sites: Sequence[Site] | None = None) -> list[str]:
    """Return accounts on a broker that belong to no site any more, or to an earlier generation of a site's.

    With `sites` only earlier ones of these: on a broker that others share, no account is taken for a site's by guess.
    """
    names = {user["name"] for user in wanted["users"]}
    known = None if sites is None else {site.name for site in sites}
    return [
        user["name"]
        for user in live.get("users", ())
        if user["name"].startswith(SITE_PREFIX)
        and user["name"] not in names
        and (known is None or _site_of_account(user["name"]) in known)
    ]


def _site_of_account(username: str) -> str:
    """Return the site of an account's name; the names of sites have no dots."""
    return re.sub(r"\.g[0-9]+$", "", username.removeprefix(SITE_PREFIX))


def surplus_queues(live: Manifest, wanted: Mapping[str, Any]) -> list[str]:
    """Return sites' queues on the control broker that belong to no site any more."""
    names = {queue["name"] for queue in wanted["queues"]}
    return [
        queue["name"]
        for queue in live.get("queues", ())
        if queue["name"].startswith(contract.COMMANDS_QUEUE_PREFIX) and queue["name"] not in names
    ]


def retention_policies(live: Manifest) -> list[str]:
    """Return policies for retention that an operator left behind when it died between setting and lifting one."""
    return [policy["name"] for policy in live.get("policies", ()) if policy["name"].startswith(RETENTION_POLICY_PREFIX)]


def has_queue(live: Manifest, name: str) -> bool:
    """Tell whether a broker has a queue or stream of this name."""
    return any(queue["name"] == name for queue in live.get("queues", ()))


def streams(live: Manifest) -> list[str]:
    """Return the streams of readings on a broker."""
    return sorted(str(queue["name"]) for queue in live.get("queues", ()) if queue["name"].startswith(STREAM_PREFIX))


def retention_policy(stream: str, max_age_seconds: int) -> dict[str, Any]:
    """Return a policy that lets a stream's segments go whose readings are all older than this."""
    return {
        "pattern": f"^{stream}$",
        "apply-to": "streams",
        "definition": {"max-age": f"{max_age_seconds}s"},
        "priority": 10,
    }
