"""The operating curves as an SVG: a panel for each amount of traffic, both axes logarithmic."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Protocol

WIDTH, HEIGHT, LEFT, TOP, PLOT_W, PLOT_H, GAP_X, GAP_Y = 960, 830, 70, 92, 390, 290, 70, 66
FONT = 'font-family="sans-serif" font-size="12" fill="#222"'
HEADING = "False rollbacks per 1,000 rollout-hours (up) against mean ticks to detection (right): lower left is better"
X_RANGE, Y_RANGE = (0.8, 1_000.0), (0.001, 1_000.0)
STYLES = {
    "threshold": ("#b3261e", "circle"),
    "ratio": ("#b26a00", "square"),
    "difference, sick from the start": ("#0b57d0", "circle"),
    "difference, sick after an hour": ("#0b57d0", "hollow"),
    "change, sick after an hour": ("#146c2e", "square"),
    "optimal CUSUM": ("#444444", "line"),
}


class Ends(Protocol):
    """A number with its interval."""

    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class Spot(Protocol):
    """One setting of a rule."""

    @property
    def setting(self) -> str: ...
    @property
    def ticks(self) -> float: ...
    @property
    def false(self) -> Ends: ...


Lines = Mapping[float, Mapping[str, Sequence[Spot]]]


def picture(lines: Lines) -> str:
    """The whole picture; it needs no font, script or file besides itself."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        "<title>False rollbacks per 1,000 rollout-hours against ticks to detection</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" font-size="16">{HEADING}</text>',
        *_legend(),
    ]
    for index, (per_minute, drawn) in enumerate(lines.items()):
        x, y = LEFT + index % 2 * (PLOT_W + GAP_X), TOP + index // 2 * (PLOT_H + GAP_Y)
        parts += [f'<g transform="translate({x} {y})">', *_panel(per_minute, drawn), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend() -> list[str]:
    found = []
    for index, (name, (colour, shape)) in enumerate(STYLES.items()):
        x, y = LEFT + 8 + index % 3 * 290, 46 + index // 3 * 20
        found += [_mark(x, y, colour, shape), f'<text x="{x + 16}" y="{y + 4}">{escape(name)}</text>']
    return found


def _panel(per_minute: float, drawn: Mapping[str, Sequence[Spot]]) -> list[str]:
    parts = [
        f'<rect width="{PLOT_W}" height="{PLOT_H}" fill="none" stroke="#888"/>',
        f'<text x="{PLOT_W - 8}" y="18" text-anchor="end" font-size="14">{per_minute:,.0f} requests a minute</text>',
    ]
    for value in (1, 10, 100, 1_000):
        x = _across(value)
        parts.append(f'<line x1="{x}" x2="{x}" y1="0" y2="{PLOT_H}" stroke="#ddd"/>')
        parts.append(f'<text x="{x}" y="{PLOT_H + 16}" text-anchor="middle">{value:,}</text>')
    for exponent in range(-3, 4):
        y = _down(10.0**exponent)
        parts.append(f'<line x1="0" x2="{PLOT_W}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="-6" y="{y + 4}" text-anchor="end">{10.0**exponent:,g}</text>')
    for name, spots in drawn.items():
        colour, shape = STYLES[name]
        parts += _line(spots, colour) if shape == "line" else _spots(spots, colour, shape)
    return parts


def _line(spots: Sequence[Spot], colour: str) -> list[str]:
    points = " ".join(f"{_across(spot.ticks)},{_down(spot.false.value)}" for spot in spots)
    return [f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>']


def _spots(spots: Sequence[Spot], colour: str, shape: str) -> list[str]:
    """Each with its interval; one of which nothing was seen stands at the upper end, with an arrow down."""
    parts = []
    for spot in spots:
        seen = spot.false.value > 0
        x, y = _across(spot.ticks), _down(spot.false.value if seen else spot.false.high)
        if spot.false.high > spot.false.low and seen:
            ends = f'y1="{_down(spot.false.low)}" y2="{_down(spot.false.high)}"'
            parts.append(f'<line x1="{x}" x2="{x}" {ends} stroke="{colour}"/>')
        parts.append(_mark(x, y, colour, shape, spot.setting))
        if not seen or spot.false.value < Y_RANGE[0]:
            down = f"M{x} {y + 5}v8m-3 -4l3 4l3 -4"
            parts.append(f'<path d="{down}" fill="none" stroke="{colour}"/>')
    return parts


def _mark(x: float, y: float, colour: str, shape: str, title: str = "") -> str:
    said = f"<title>{escape(title)}</title>" if title else ""
    match shape:
        case "square":
            return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}">{said}</rect>'
        case "line":
            return f'<line x1="{x - 8:.1f}" x2="{x + 8:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="2"/>'
        case _:
            fill = "#fff" if shape == "hollow" else colour
            return (
                f'<circle cx="{x}" cy="{y}" r="4.5" fill="{fill}" stroke="{colour}" stroke-width="1.5">{said}</circle>'
            )


def _across(ticks: float) -> float:
    return round(_part(ticks, X_RANGE) * PLOT_W, 1)


def _down(rate: float) -> float:
    return round((1 - _part(rate, Y_RANGE)) * PLOT_H, 1)


def _part(value: float, ends: tuple[float, float]) -> float:
    low, high = math.log(ends[0]), math.log(ends[1])
    return (math.log(min(max(value, ends[0]), ends[1])) - low) / (high - low)
