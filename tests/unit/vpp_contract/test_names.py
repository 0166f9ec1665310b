"""Names that brokers' permissions hang on: a site's pattern lets in its own keys and nobody else's."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpp_contract import names

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


@given(labels, labels)
def test_a_site_may_publish_its_own_keys(site: str, device: str) -> None:
    pattern = names.readings_key_pattern(site)
    assert re.fullmatch(pattern, names.readings_key(site))
    assert re.fullmatch(pattern, names.readings_key(site, device))


@given(labels, labels)
def test_a_site_may_not_publish_anothers_keys(site: str, other: str) -> None:
    if site != other:
        assert not re.search(names.readings_key_pattern(site), names.readings_key(other))
        assert not re.search(names.readings_key_pattern(site), names.readings_key(other, site))


@given(labels, labels)
def test_a_key_tells_its_site(site: str, device: str) -> None:
    assert names.site_of_key(names.readings_key(site)) == site
    assert names.site_of_key(names.readings_key(site, device)) == site


@pytest.mark.parametrize("key", ["", "readings", "commands.house-01", "reading.house-01"])
def test_other_keys_belong_to_no_site(key: str) -> None:
    assert names.site_of_key(key) is None


def test_each_site_has_an_account_and_a_command_queue() -> None:
    assert names.site_username("house-01") == "site-house-01"
    assert names.commands_queue("house-01") == "commands-house-01"
