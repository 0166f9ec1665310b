"""InfluxDB's HTTP API against a real server, from its first setup to a lost token."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.servers import INFLUX_SECRET, VPP, Servers
from vpp_operator.adapters.influx import InfluxApi
from vpp_operator.errors import NotReady, Unavailable
from vpp_operator.ports import InfluxAddress
from vpp_operator.resources import names
from vpp_operator.resources.influxdb import ADMIN

pytestmark = pytest.mark.integration


@pytest.fixture
async def influx() -> AsyncIterator[InfluxApi]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield InfluxApi(session)


@pytest.fixture
async def ready(influx: InfluxApi, influxdb: InfluxAddress) -> InfluxAddress:
    """The server after its first setup."""
    await influx.set_up(influxdb, username=ADMIN, password=INFLUX_SECRET["password"])
    return influxdb


async def test_a_fresh_server_is_set_up_once_with_our_token(influx: InfluxApi, influxdb: InfluxAddress) -> None:
    await influx.set_up(influxdb, username=ADMIN, password=INFLUX_SECRET["password"])
    assert await influx.set_up(influxdb, username=ADMIN, password="another password") is False
    await influx.check(influxdb)


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"token": "wrong"}, "InfluxUnauthorized", "refuses the token; put one that may read and write vpp/vpp"),
        ({"org": "nobody"}, "InfluxOrganisationMissing", "has no organisation nobody"),
        ({"bucket": "leaky"}, "InfluxBucketMissing", "has no bucket leaky in vpp"),
    ],
)
async def test_what_a_token_cannot_do_is_said_in_a_sentence(
    influx: InfluxApi, ready: InfluxAddress, change: dict[str, str], reason: str, words: str
) -> None:
    with pytest.raises(NotReady, match=words) as caught:
        await influx.check(dataclasses.replace(ready, **change))
    assert caught.value.reason == reason


async def test_a_server_that_does_not_answer_is_unavailable(influx: InfluxApi, ready: InfluxAddress) -> None:
    with pytest.raises(Unavailable, match=r"http://127\.0\.0\.1:9"):
        await influx.check(dataclasses.replace(ready, url="http://127.0.0.1:9"))


async def test_a_lost_token_is_recovered_with_the_password_that_the_secret_holds_now(
    influx: InfluxApi, ready: InfluxAddress, servers: Servers
) -> None:
    name = names.influxdb(VPP)
    patch = json.dumps({"stringData": {"password": "a new password"}})
    servers.kube.run(
        "patch", "secret", names.influxdb_secret(VPP), "-n", servers.namespace, "-p", patch, "--field-manager", "person"
    )
    await asyncio.to_thread(servers.restart, f"{name}-0")
    at = dataclasses.replace(ready, url=f"http://{servers.address(f'{name}-0')}:8086")
    await influx.check(at)  # the old token is as good as before
    with pytest.raises(NotReady, match="refuses both"):
        await influx.recover_token(at, username=ADMIN, password=INFLUX_SECRET["password"])
    token = await influx.recover_token(at, username=ADMIN, password="a new password")
    assert token != at.token
    await influx.check(dataclasses.replace(at, token=token))
