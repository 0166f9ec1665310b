"""Passwords and tokens: what each Secret of a plant says.

A Secret that is there is never changed; one that was deleted comes back as it was, from the operator's memory, or
after a restart of the operator with new values, which then become valid at the servers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vpp_operator.api.vppcluster import VPPClusterSpec
from vpp_operator.ports import Randomness
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

    def site(self, site: str) -> str:
        """Return the password of a site's account."""

        def make() -> dict[str, str]:
            return {"password": self._randomness.password()}

        return self._texts(names.gateway_secret(site), make, ("password",))["password"]

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
