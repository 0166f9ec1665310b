"""InfluxDB 2 over its HTTP API: first setup, and a check of what a token may do."""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

from vpp_operator.adapters.http import Answer, basic, call
from vpp_operator.errors import NotReady, Unavailable
from vpp_operator.ports import InfluxAddress


class InfluxApi:
    """`vpp_operator.ports.Influx` against real servers."""

    def __init__(self, session: aiohttp.ClientSession, *, timeout_seconds: float = 5.0) -> None:
        """Prepare; nothing is sent yet."""
        self._session = session
        self._timeout_seconds = timeout_seconds

    async def set_up(self, at: InfluxAddress, *, username: str, password: str) -> bool:
        allowed = await self._call(at, "GET", "/api/v2/setup")
        if not allowed.json().get("allowed"):
            return False
        body = {
            "username": username,
            "password": password,
            "org": at.org,
            "bucket": at.bucket,
            "token": at.token,
            "retentionPeriodSeconds": 0,
        }
        self._checked(await self._call(at, "POST", "/api/v2/setup", body=body), at)
        return True

    async def check(self, at: InfluxAddress) -> None:
        answer = await self._call(
            at, "GET", "/api/v2/buckets", params={"org": at.org, "name": at.bucket}, headers=_token(at)
        )
        if answer.status == 404 and "organization" in answer.text():
            raise NotReady(
                "InfluxOrganisationMissing",
                f"InfluxDB at {at.url} has no organisation {at.org} that this token can see; make it, or change org",
            )
        if answer.status == 404 or not self._checked(answer, at).json().get("buckets"):
            raise NotReady(
                "InfluxBucketMissing",
                f"InfluxDB at {at.url} has no bucket {at.bucket} in {at.org} that this token may use; make it",
            )

    async def recover_token(self, at: InfluxAddress, *, username: str, password: str) -> str:
        authorization = {"Authorization": basic(username, password)}
        signed_in = await self._call(at, "POST", "/api/v2/signin", headers=authorization)
        if signed_in.status >= 300:
            raise NotReady(
                "InfluxUnauthorized",
                f"InfluxDB at {at.url} refuses both the token and the administrator's password of the Secret",
            )
        session = {"Cookie": signed_in.headers.get("Set-Cookie", "").partition(";")[0]}
        organisations = self._checked(
            await self._call(at, "GET", "/api/v2/orgs", params={"org": at.org}, headers=session), at
        )
        organisation = organisations.json()["orgs"][0]["id"]
        permissions = [
            {"action": action, "resource": {"type": kind, "orgID": organisation}}
            for action in ("read", "write")
            for kind in ("buckets", "authorizations", "orgs")
        ]
        made = await self._call(
            at,
            "POST",
            "/api/v2/authorizations",
            headers=session,
            body={"orgID": organisation, "description": "made by vpp-operator", "permissions": permissions},
        )
        return str(self._checked(made, at).json()["token"])

    async def _call(
        self,
        at: InfluxAddress,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        return await call(
            self._session,
            method,
            at.url.rstrip("/") + path,
            service="InfluxDB",
            timeout_seconds=self._timeout_seconds,
            headers=headers,
            body=body,
            params=params,
        )

    def _checked(self, answer: Answer, at: InfluxAddress) -> Answer:
        if answer.status < 300:
            return answer
        if answer.status in (401, 403):
            raise NotReady(
                "InfluxUnauthorized",
                f"InfluxDB at {at.url} refuses the token; put one that may read and write {at.org}/{at.bucket} "
                "into the Secret",
            )
        raise Unavailable("InfluxDB", f"{at.url} answers with {answer.status}: {answer.text()}")


def _token(at: InfluxAddress) -> dict[str, str]:
    return {"Authorization": f"Token {at.token}"}
