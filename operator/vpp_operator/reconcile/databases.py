"""InfluxDB of a plant: where it is, its first setup, and whether its token is good."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from vpp_operator.errors import NotReady, VPPError
from vpp_operator.ports import SECRET, InfluxAddress
from vpp_operator.reconcile.conditions import Condition
from vpp_operator.reconcile.desired import owner_of
from vpp_operator.reconcile.look import Look
from vpp_operator.resources import names
from vpp_operator.resources.influxdb import ADMIN as INFLUX_ADMIN
from vpp_operator.resources.influxdb import PORT as INFLUX_PORT
from vpp_operator.resources.influxdb import influxdb_url
from vpp_operator.resources.secret_values import secret_texts

_LOG = logging.getLogger(__name__)


async def influx_secret(look: Look, faults: list[Condition]) -> dict[str, str]:
    """Return what InfluxDB's Secret says; an external server's token comes from the user's own Secret."""
    settings = look.spec.monitoring.influxdb
    url = influxdb_url(owner_of(look.document, look.picture.name), look.spec)
    if settings.type != "External":
        return look.accounts.influx(look.spec, url, None)
    name = settings.secret_ref.name if settings.secret_ref else ""
    texts = secret_texts(await look.ports.kubernetes.get(SECRET, look.picture.namespace, name))
    if not texts.get("token"):
        message = (
            f"The Secret {name} with the key token is missing; make it, with a token that may use {settings.bucket}."
        )
        faults.append(Condition(type="Ready", status=False, reason="SecretMissing", message=message))
    return look.accounts.influx(look.spec, url, texts.get("token", ""))


async def check_influx(look: Look, secret: Mapping[str, str], faults: list[Condition]) -> Condition:
    """Set up a fresh managed InfluxDB, check the token, and return the condition MetricsAvailable."""
    url = secret["url"]
    managed = look.spec.monitoring.influxdb.type != "External"
    if managed:
        pod = look.picture.pod(f"{names.influxdb(look.picture.name)}-0")
        if pod is None or not pod.ready:
            return Condition(
                type="MetricsAvailable", status=False, reason="InfluxStarting", message="InfluxDB is not up yet."
            )
        url = f"http://{pod.address}:{INFLUX_PORT}"
    at = InfluxAddress(url=url, org=secret["org"], bucket=secret["bucket"], token=secret["token"])
    try:
        if managed:
            await look.ports.influx.set_up(at, username=INFLUX_ADMIN, password=secret["password"])
        try:
            await look.ports.influx.check(at)
        except NotReady as error:
            if not managed or error.reason != "InfluxUnauthorized":
                raise
            token = await look.ports.influx.recover_token(at, username=INFLUX_ADMIN, password=secret["password"])
            look.accounts.replace_influx_token(token)
            _LOG.info("%s/%s: recovered InfluxDB's token", look.picture.namespace, look.picture.name)
    except VPPError as error:
        fault = Condition(type="MetricsAvailable", status=False, reason=error.reason, message=str(error))
        faults.append(fault)
        return fault
    message = f"InfluxDB answers and takes the token for {at.org}/{at.bucket}."
    return Condition(type="MetricsAvailable", status=True, reason="InfluxAnswers", message=message)
