"""Line plots as SVG, written by hand: two axes at most, and marks above the plot for a second scale of x."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

WIDTH: Final = 720
HEIGHT: Final = 420
LEFT, RIGHT, TOP, BOTTOM = 80, 640, 90, 350
COLOURS: Final = ("#1f5fa8", "#c4501b", "#2f7d3b", "#7a4fa0")


class Line(NamedTuple):
    """One line: its name and a value for each x."""

    name: str
    values: Sequence[float]


Axis = tuple[str, Sequence[Line]]


def ticks(largest: float, count: int = 5) -> list[float]:
    """Return round numbers from 0 to at least the largest value."""
    if largest <= 0:
        return [0.0, 1.0]
    raw = largest / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    return [step * number for number in range(math.ceil(largest / step * 0.999) + 1)]


def plot(
    path: Path,
    *,
    title: str,
    x_label: str,
    xs: Sequence[float],
    left: Axis,
    right: Axis | None = None,
    above: tuple[str, Mapping[float, str]] | None = None,
) -> None:
    """Write a plot.

    Args:
        path: the file.
        title: what stands above it.
        x_label: what stands below it.
        xs: where the values are.
        left: the axis at the left, and its lines.
        right: one at the right.
        above: a second scale of x: its name, and texts by x.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg(title, x_label, xs, left, right, above))


def svg(
    title: str,
    x_label: str,
    xs: Sequence[float],
    left: Axis,
    right: Axis | None,
    above: tuple[str, Mapping[float, str]] | None,
) -> str:
    """Return the plot's text."""
    across = ticks(max(xs))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text((LEFT + RIGHT) / 2, 22, title, size=15),
        f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}V{TOP}" fill="none" stroke="#333"/>',
        *(_text(_x(at, across), BOTTOM + 18, f"{at:,g}") for at in across),
        _text((LEFT + RIGHT) / 2, BOTTOM + 40, x_label),
    ]
    if above is not None:
        label, marks = above
        shown = {at: text for at, text in marks.items() if at <= across[-1]}
        parts += [f'<path d="M{_x(at, across):.1f} {TOP}v6" stroke="#333"/>' for at in shown]
        parts += [_text(_x(at, across), TOP - 6, text, size=10) for at, text in shown.items()]
        parts.append(_text((LEFT + RIGHT) / 2, TOP - 24, label, size=11))
    colours = iter(COLOURS)
    for axis, x, side in ((left, LEFT, "end"), (right, RIGHT, "start")):
        if axis is not None:
            parts += _axis(axis, xs, across, x, side, [next(colours) for _ in axis[1]])
    return "\n".join([*parts, "</svg>", ""])


def _axis(
    axis: Axis, xs: Sequence[float], across: Sequence[float], x: int, side: str, colours: Sequence[str]
) -> list[str]:
    label, lines = axis
    up = ticks(max(value for line in lines for value in line.values))
    gap = -8 if side == "end" else 8
    parts = [_text(x + gap, _y(at, up) + 4, f"{at:,g}", anchor=side) for at in up]
    turn = x - 60 if side == "end" else x + 60
    parts.append(
        f'<text x="{turn}" y="{(TOP + BOTTOM) // 2}" text-anchor="middle" '
        f'font-size="12" transform="rotate(-90 {turn} {(TOP + BOTTOM) // 2})">{escape(label)}</text>'
    )
    for number, (line, colour) in enumerate(zip(lines, colours, strict=True)):
        points = [(_x(at, across), _y(value, up)) for at, value in zip(xs, line.values, strict=True)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        dashes = ' stroke-dasharray="6 4"' if side == "start" else ""
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
        parts += [f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{colour}"/>' for px, py in points]
        anchor_x = LEFT + 12 if side == "end" else RIGHT - 12
        parts.append(
            f'<text x="{anchor_x}" y="{TOP + 20 + 16 * number}" font-size="12" fill="{colour}" '
            f'text-anchor="{"start" if side == "end" else "end"}">{escape(line.name)}</text>'
        )
    return parts


def _x(value: float, across: Sequence[float]) -> float:
    return LEFT + (RIGHT - LEFT) * value / across[-1]


def _y(value: float, up: Sequence[float]) -> float:
    return BOTTOM - (BOTTOM - TOP) * value / up[-1]


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'
