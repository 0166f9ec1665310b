"""The gateway.json that the operator writes is one that the gateway takes, and means the same to both."""

from __future__ import annotations

from vpp_operator.adapters.certificates import X509Certificates
from vpp_operator.api.nanogrid import parse_nanogrid_spec
from vpp_operator.api.queuechannel import parse_queuechannel_spec
from vpp_operator.resources.control import ControlAddress
from vpp_operator.resources.nanogrid import gateway_settings
from vpp_operator.resources.tls import BrokerTls
from vpp_workloads.gateway.filter import Band, FilterSettings
from vpp_workloads.gateway.settings import Settings, parse_settings

CHANNELS = ("ingest.plants.svc", parse_queuechannel_spec({"vppRef": {"name": "demo"}}))


def settings_of(**source: object) -> Settings:
    site = parse_nanogrid_spec({"vppRef": {"name": "demo"}, "source": source})
    return parse_settings(
        gateway_settings(
            "house-01",
            ("site-house-01", "secret"),
            CHANNELS,
            ControlAddress(host="control", amqp_port=5672),
            site.source,
        ),
        "gateway.json",
    )


def test_a_gateway_knows_its_site_account_and_channels() -> None:
    settings = settings_of()
    assert (settings.site, settings.username, settings.password) == ("house-01", "site-house-01", "secret")
    assert (settings.host, settings.amqp_port, settings.filter) == ("ingest.plants.svc", 5672, None)


def test_a_gateway_knows_that_its_brokers_speak_tls_and_whom_to_trust() -> None:
    authority = X509Certificates().authority("demo", now=1_700_000_000, days=36500).certificate
    control = ControlAddress(host="control", amqp_port=5671, tls=True)
    tls = BrokerTls(secret="s", authority=authority)
    source = parse_nanogrid_spec({"vppRef": {"name": "demo"}}).source
    written = gateway_settings("house-01", ("site-house-01.g2", "secret"), CHANNELS, control, source, tls)
    settings = parse_settings(written, "gateway.json")
    assert (settings.tls, settings.control_tls, settings.authority) == (True, True, authority)
    assert (settings.amqp_port, settings.control_port, settings.username) == (5671, 5671, "site-house-01.g2")
    assert written["channels"]["mqtt_port"] == 8883


def test_a_spool_has_the_size_that_was_written() -> None:
    assert settings_of().spool_bytes == 64 * 2**20
    assert settings_of(spool="1Mi").spool_bytes == 2**20


def test_a_filter_arrives_as_it_was_written() -> None:
    band = {"quantity": "power_kw", "deadband": 0.05, "minIntervalSeconds": 10}
    settings = settings_of(filter={"quantities": [band], "longestSeconds": 120})
    assert settings.filter == FilterSettings(
        quantities={"power_kw": Band(deadband=0.05, min_interval_seconds=10)}, longest_seconds=120
    )
