"""The cluster that end-to-end tests share: up, images loaded, the operator installed by its chart.

It goes the demo's own way, so what passes here is what a user gets. VPP_DATA chooses the profiles, as for the demo.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from vppdemo import install
from vppdemo.kube import Kube


@pytest.fixture(scope="session")
def kube() -> Kube:
    """The cluster, brought up if it is not."""
    return install.cluster()


@pytest.fixture(scope="session")
def images(kube: Kube) -> Mapping[str, str]:
    """All images by name, built from this checkout and loaded."""
    return install.images()


@pytest.fixture(scope="session")
def operator(kube: Kube, images: Mapping[str, str]) -> Kube:
    """The cluster with the operator installed cluster-wide."""
    install.chart(kube, images)
    return kube


@pytest.fixture(scope="session")
def data_folder() -> Path | None:
    """The data folder that VPP_DATA names, None for physical profiles."""
    raw = os.environ.get("VPP_DATA", "")
    return Path(raw).resolve() if raw else None
