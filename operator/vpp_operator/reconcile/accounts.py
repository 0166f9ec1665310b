"""Passwords and tokens: what each Secret of a plant says.

A Secret that is there is never changed; one that was deleted comes back as it was, from the operator's memory, or
after a restart of the operator with new values, which then become valid at the servers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

from vpp_operator.api.vppcluster import VPPClusterSpec
from vpp_operator.ports import Randomness
from vpp_operator.reconcile.definitions import Account, Site
from vpp_operator.reconcile.gather import Picture
from vpp_operator.reconcile.memory import PlantMemory
from vpp_operator.resources import names
from vpp_operator.resources.broker import admin_definitions
from vpp_operator.resources.secret_values import secret_texts

ADMIN = "vpp-operator"
READER = "vpp-reader"


class Accounts:
    """The accounts of one plant during one look."""

    def __init__(self, picture: Picture, memory: PlantMemory, randomness: Randomness) -> None:
        """Prepare; nothing is made up before it is asked for."""
        self._picture = picture
        self._memory = memory
        self._randomness = randomness
        self._sites: dict[str, Site] = {}
        """What was found or made up in this look: asked twice, it must be the same."""

    def _texts(self, name: str, make: Callable[[], dict[str, str]], needed: tuple[str, ...]) -> Mapping[str, str]:
        there = secret_texts(self._picture.owned.get(("Secret", name)))
        if not all(there.get(key) for key in needed):
            there = self._memory.secrets.get(name) or make()
        replaced = self._memory.replaced.get(name, {})
        if replaced.items() <= there.items():
            self._memory.replaced.pop(name, None)
        there = {**there, **replaced}
        self._memory.secrets[name] = dict(there)
        return there

    def admin(self, brokers: str) -> Mapping[str, str]:
        """Return the administrator of a set of brokers: username, password, cookie, definitions.json."""

        def make() -> dict[str, str]:
            password = self._randomness.password()
            return {
                "username": ADMIN,
                "password": password,
                "cookie": self._randomness.password(),
                "definitions.json": admin_definitions(ADMIN, password),
            }

        return self._texts(names.admin_secret(brokers), make, ("username", "password", "cookie", "definitions.json"))

    def reader(self) -> Mapping[str, str]:
        """Return the streaming driver's account on all brokers."""

        def make() -> dict[str, str]:
            return {"username": READER, "password": self._randomness.password()}

        return self._texts(names.reader_secret(self._picture.name), make, ("username", "password"))

    def site(self, site: str, generation: int = 1, devices: tuple[str, ...] = ()) -> Site:
        """Return a site's account, of this generation where the rotation before is over, and the one before it.

        The Secret alone says how far a rotation is: with an account in `previous.json` both are valid, without one
        the rotation is over. So it may be cut short anywhere, and people may end it by hand.
        """
        if site not in self._sites:
            self._sites[site] = self._site(site, generation, devices)
        return self._sites[site]

    def _site(self, site: str, generation: int, devices: tuple[str, ...]) -> Site:
        def make() -> dict[str, str]:
            return {"password": self._randomness.password(), "generation": str(generation)}

        name = names.gateway_secret(site)
        texts = self._texts(name, make, ("password",))
        there = Site(
            name=site,
            password=texts["password"],
            devices=devices,
            generation=_generation(texts),
            previous=_previous(texts),
        )
        if there.previous is not None and (name, there.previous.username) in self._memory.retired:
            there = replace(there, previous=None)
        elif there.previous is None:
            self._memory.retired = {entry for entry in self._memory.retired if entry[0] != name}
            if generation > there.generation:
                before = Account(generation=there.generation, username=there.username, password=there.password)
                password = self._randomness.password()
                there = replace(there, password=password, generation=generation, previous=before)
        self._memory.secrets[name] = site_texts(there)
        return there

    def retire(self, site: Site) -> None:
        """Let the next look take the account before out of the Secret, and so off all brokers.

        That is remembered and not written: an operator that dies before sees once more that the account may go.
        """
        if site.previous is not None:
            self._memory.retired.add((names.gateway_secret(site.name), site.previous.username))

    def influx(self, spec: VPPClusterSpec, url: str, external_token: str | None) -> dict[str, str]:
        """Return url, org, bucket and token of InfluxDB, and the administrator's password of a managed one."""
        settings = spec.monitoring.influxdb
        address = {"url": url, "org": settings.org, "bucket": settings.bucket}
        if external_token is not None:
            return {**address, "token": external_token}

        def make() -> dict[str, str]:
            return {"token": self._randomness.password(), "password": self._randomness.password()}

        made = self._texts(names.influxdb_secret(self._picture.name), make, ("token", "password"))
        return {**address, "token": made["token"], "password": made["password"]}

    def replace_influx_token(self, token: str) -> None:
        """Remember a token that was recovered; the next look writes it over the one that is no longer valid."""
        self._memory.replaced[names.influxdb_secret(self._picture.name)] = {"token": token}


def site_texts(site: Site) -> dict[str, str]:
    """Return what a site's Secret says of its accounts; `gateway.json` comes on top."""
    texts = {"username": site.username, "password": site.password, "generation": str(site.generation)}
    if site.previous is not None:
        texts["previous.json"] = json.dumps(asdict(site.previous), sort_keys=True)
    return texts


def _generation(texts: Mapping[str, str]) -> int:
    """Return the generation in a Secret; one from before there were generations, or a spoilt one, is the first."""
    written = texts.get("generation", "")
    return int(written) if written.isdecimal() and int(written) else 1


def _previous(texts: Mapping[str, str]) -> Account | None:
    """Return the account before, None where there is none or where it cannot be read."""
    try:
        return Account(**json.loads(texts.get("previous.json", "")))
    except (ValueError, TypeError):
        return None


def account_names(texts: Mapping[str, str]) -> list[str]:
    """Return the user names that a site's Secret names."""
    previous = _previous(texts)
    found = [texts.get("username", ""), previous.username if previous is not None else ""]
    return [name for name in found if name]
