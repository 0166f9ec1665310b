"""The operator's settings, and the sentence each bad one gets."""

from __future__ import annotations

import pytest

from vpp_contract.environment import SettingError
from vpp_operator.settings import read_settings


def test_without_any_variable_there_are_defaults_for_all() -> None:
    settings = read_settings({})
    assert settings.watch_namespaces == ()
    assert settings.images.spark == "localhost/vpp-spark:0.1.0"
    assert (settings.health_port, settings.metrics_port) == (8080, 8000)


def test_namespaces_are_a_list() -> None:
    assert read_settings({"VPP_WATCH_NAMESPACES": " north, south,,north "}).watch_namespaces == ("north", "south")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("VPP_LOG_LEVEL", "loud", "VPP_LOG_LEVEL is 'loud'; use one of debug, info, warning, error"),
        ("VPP_LOG_FORMAT", "xml", "VPP_LOG_FORMAT is 'xml'; use one of plain, json"),
        (
            "VPP_IMAGE_PULL_POLICY",
            "Sometimes",
            "VPP_IMAGE_PULL_POLICY is 'Sometimes'; use one of Always, IfNotPresent, Never",
        ),
        ("VPP_HEALTH_PORT", "http", "VPP_HEALTH_PORT is 'http', which is no number"),
        ("VPP_METRICS_PORT", "70000", "VPP_METRICS_PORT is 70000; a port goes from 0 to 65535"),
        ("VPP_METRICS_PORT", "80.5", "VPP_METRICS_PORT is 80.5, which is no whole number"),
        ("VPP_RESYNC_SECONDS", "0", "VPP_RESYNC_SECONDS is 0; it must be at least 0.5"),
        ("VPP_LEASE_SECONDS", "nan", "VPP_LEASE_SECONDS is nan; it must be at least 3"),
    ],
)
def test_a_bad_setting_is_refused_in_one_sentence(name: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingError) as caught:
        read_settings({name: value})
    assert str(caught.value) == sentence
