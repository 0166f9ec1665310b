"""Plots are well-formed, and their values stand where the axes say."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from tests.bench._plot import BOTTOM, LEFT, RIGHT, TOP, Line, svg, ticks

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("largest", "expected"),
    [
        (100_000.0, [0, 20_000, 40_000, 60_000, 80_000, 100_000]),
        (5.0, [0, 1, 2, 3, 4, 5]),
        (0.0, [0, 1]),
        (0.07, [0, 0.02, 0.04, 0.06, 0.08]),
    ],
)
def test_ticks_are_round_and_reach_the_largest_value(largest: float, expected: list[float]) -> None:
    assert ticks(largest) == pytest.approx(expected)


def test_a_plot() -> None:
    text = svg(
        "Load & delay",
        "multiples",
        [0.0, 5.0],
        ("delay, s", [Line("fixed", [0.0, 10.0]), Line("added", [0.0, 5.0])]),
        ("refused, %", [Line("refused", [100.0, 50.0])]),
        ("MB/s", {2.5: "50", 9.0: "beyond the plot"}),
    )
    root = ET.fromstring(text)
    lines = [line.get("points") for line in root.iter(f"{SVG}polyline")]
    assert lines == [
        f"{LEFT}.0,{BOTTOM}.0 {RIGHT}.0,{TOP}.0",
        f"{LEFT}.0,{BOTTOM}.0 {RIGHT}.0,{(TOP + BOTTOM) / 2}",
        f"{LEFT}.0,{TOP}.0 {RIGHT}.0,{(TOP + BOTTOM) / 2}",
    ]
    texts = {element.text for element in root.iter(f"{SVG}text")}
    assert {"Load & delay", "multiples", "delay, s", "refused, %", "fixed", "added", "MB/s", "50"} <= texts
    assert "beyond the plot" not in texts
