"""Draws a replay: a panel for each check with its limit, a band for the traffic, marks for events."""

import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from modelramp.analysis.checks import limits_of
from modelramp.analysis.wording import RATIO, limit_text, shown
from modelramp.api.abtest import ABTest
from modelramp.api.check import Check
from modelramp.api.quantity import format_number
from modelramp.api.times import to_text
from modelramp.api.verdict import Verdict
from modelramp.cli.backtest.replay import PROMOTED, ROLLED_BACK, Moment, Replayed
from modelramp.cli.backtest.screen import columns

WIDTH, PANEL, BAND, GAP = 1000, 120, 60, 34
LEFT, RIGHT, TOP = 90, 20, 78
_WORDS = {ROLLED_BACK: 42, PROMOTED: 56}
"""Where the word of a mark stands: above the name of the first check, each in a line of its own."""
_FAR = 9.0
"""A limit that is more than this many times as far from the values as they are from each other is not drawn."""
_INSIDE = WIDTH - LEFT - RIGHT
# Okabe and Ito's colours, which people tell apart with any kind of colour vision.
_BLUE, _RED, _GREEN, _ORANGE, _GREY = "#0072b2", "#d55e00", "#009e73", "#e69f00", "#999999"


class NoPicture(Exception):
    """The picture cannot be written; the message says what would help."""


def write_picture(path: Path, told: Replayed, checks: Sequence[Check], title: str, test: ABTest | None = None) -> None:
    """Write an .svg or a .png (which needs the library cairosvg). Raises NoPicture."""
    text = svg(told, checks, title, test)
    try:
        if path.suffix.lower() == ".png":
            path.write_bytes(_png(text))
        else:
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise NoPicture(f"{path} cannot be written: {error.strerror}") from None


def picture_problem(path: Path) -> str | None:
    """Why no picture could be written there, before any work is done; None when it can."""
    from importlib.util import find_spec

    if path.suffix.lower() not in (".svg", ".png"):
        return f"{path} must end with .svg or .png"
    if not path.absolute().parent.is_dir():
        return f"{path.parent} is no folder"
    if path.suffix.lower() != ".png":
        return None
    if find_spec("cairosvg") is None:
        return "a .png needs the library cairosvg, which is not installed; write an .svg, or install cairosvg"
    try:
        _png('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')
    except (ImportError, OSError) as error:
        return f"a .png needs the library cairosvg, which does not work here: {error}; write an .svg"
    return None


def _png(text: str) -> bytes:
    import cairosvg  # type: ignore[import-not-found, import-untyped, unused-ignore]

    made: bytes = cairosvg.svg2png(bytestring=text.encode(), scale=2)
    return made


def svg(told: Replayed, checks: Sequence[Check], title: str, test: ABTest | None = None) -> str:
    """The picture as SVG text; at most some 20 kB for each check, whatever the length of history."""
    tested = test if told.looks else None
    height = TOP + (len(checks) + (tested is not None)) * (PANEL + GAP) + BAND + 2 * GAP
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(LEFT, 24, title, "start", size=15),
    ]
    groups = columns(told.moments, _INSIDE // 2)
    top = TOP
    for index, check in enumerate(checks):
        parts += _panel(groups, index, check, top)
        top += PANEL + GAP
    if tested is not None:
        parts += _looks(groups, tested, top)
        top += PANEL + GAP
    parts += _band(groups, top)
    parts += _marks(told, top + BAND)
    parts += _axis(told.moments, top + BAND)
    parts += _legend(top + BAND)
    return "\n".join((*parts, "</svg>\n"))


def _text(x: float, y: float, words: str, anchor: str, colour: str = "black", size: int = 12) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}" font-size="{size}">{escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {style}/>'


def _x(index: float, count: int) -> float:
    return LEFT + _INSIDE * (index + 0.5) / count


def _panel(groups: Sequence[Sequence[Moment]], index: int, check: Check, top: float) -> Iterator[str]:
    limits = limits_of(check)
    bounds = [bound for bound in (limits.min, limits.max) if bound is not None]
    low, high = _reach([value for group in groups for value in _values(group, index)], bounds)
    span = (high - low) or abs(high) or 1.0
    worst = max if limits.max is not None else min

    def y(value: float) -> float:
        return top + PANEL - 6 - (PANEL - 12) * (value - low) / span

    yield f'<rect x="{LEFT}" y="{top}" width="{_INSIDE}" height="{PANEL}" fill="none" stroke="#dddddd"/>'
    limit = f", limit {limit_text(limits)}" if bounds else ""
    yield _text(LEFT, top - 6, f"{check.name} ({check.role.value}{limit})", "start")
    for value in sorted({low, high}):
        yield _text(LEFT - 6, y(value) + 4, shown(value, limits.unit), "end", _GREY, 11)
    for bound in bounds:
        if not low <= bound <= high:
            place, word = (top + 14, "above") if bound > high else (top + PANEL - 6, "below")
            yield _text(WIDTH - RIGHT - 6, place, f"limit {shown(bound, limits.unit)} is far {word}", "end", _RED, 11)
            continue
        yield _line(LEFT, y(bound), WIDTH - RIGHT, y(bound), f'stroke="{_RED}" stroke-dasharray="6 4"')
    for line in _stretches(groups, index):
        points = " ".join(f"{_x(at, len(groups)):.1f},{y(value):.1f}" for at, value in line)
        yield f'<polyline points="{points}" fill="none" stroke="{_BLUE}" stroke-width="1.2"/>'
    for at, group in enumerate(groups):
        verdicts = {moment.checks[index].verdict for moment in group}
        x = _x(at, len(groups))
        if Verdict.BREACH in verdicts and (values := _values(group, index)):
            yield f'<circle cx="{x:.1f}" cy="{y(worst(values)):.1f}" r="2.4" fill="{_RED}"/>'
        elif Verdict.NO_DATA in verdicts:
            yield _line(x, top + PANEL - 5, x, top + PANEL, f'stroke="{_ORANGE}" stroke-width="2"')


def _reach(known: Sequence[float], bounds: Sequence[float]) -> tuple[float, float]:
    """From where to where a panel shows values: those that are known, and the limits that are not far from them."""
    if not known:
        return min(bounds, default=0.0), max(bounds, default=1.0)
    low, high = min(known), max(known)
    far = _FAR * ((high - low) or max(abs(low), abs(high)))
    near = [bound for bound in bounds if not far or low - far <= bound <= high + far]
    return min(low, *near, low), max(high, *near, high)


def _values(group: Sequence[Moment], index: int) -> list[float]:
    found = (moment.checks[index].value for moment in group)
    return [value for value in found if value is not None and math.isfinite(value)]


def _stretches(groups: Sequence[Sequence[Moment]], index: int) -> Iterator[list[tuple[int, float]]]:
    """Points that belong together; a gap in the data is a gap in the line."""
    line: list[tuple[int, float]] = []
    for at, group in enumerate(groups):
        values = _values(group, index)
        if values:
            # Lowest and highest of the column, so that no peak is lost where many ticks share one.
            line += [(at, values[0])] if len(values) == 1 else [(at, min(values)), (at, max(values))]
        elif line:
            yield line
            line = []
    if line:
        yield line


def _looks(groups: Sequence[Sequence[Moment]], test: ABTest, top: float) -> Iterator[str]:
    """An A/B test's estimate with its interval, and the least effect on either side; better is up."""
    last = [(at, group[-1].look.found) for at, group in enumerate(groups) if group[-1].look is not None]
    known = [(at, f.estimate, f.low, f.high) for at, f in last if None not in (f.estimate, f.low, f.high)]
    bounds = [(at, estimate or 0.0, low or 0.0, high or 0.0) for at, estimate, low, high in known]
    # The first intervals are many times as wide as the last; they are cut off, so that the others can be seen.
    most = max((3 * test.min_effect, *(2 * abs(estimate) for _, estimate, _, _ in bounds)))

    def y(value: float) -> float:
        return top + PANEL / 2 - (PANEL / 2 - 6) * max(-1.0, min(1.0, value / most))

    name, unit = test.metric.name, "" if test.metric.sum is not None else RATIO
    level = format_number(100 * (1 - test.level))
    yield f'<rect x="{LEFT}" y="{top}" width="{_INSIDE}" height="{PANEL}" fill="none" stroke="#dddddd"/>'
    yield _text(LEFT, top - 6, f"A/B test: how much better {name} is, {level} % interval over all looks", "start")
    yield _line(LEFT, y(0), WIDTH - RIGHT, y(0), f'stroke="{_GREY}"')
    for effect in (-test.min_effect, test.min_effect):
        yield _line(LEFT, y(effect), WIDTH - RIGHT, y(effect), f'stroke="{_GREEN}" stroke-dasharray="6 4"')
        yield _text(LEFT - 6, y(effect) + 4, shown(effect, unit), "end", _GREY, 11)
    if bounds:
        upper = [f"{_x(at, len(groups)):.1f},{y(high):.1f}" for at, _, _, high in bounds]
        lower = [f"{_x(at, len(groups)):.1f},{y(low):.1f}" for at, _, low, _ in reversed(bounds)]
        yield f'<polygon points="{" ".join((*upper, *lower))}" fill="{_BLUE}" fill-opacity="0.2"/>'
        points = " ".join(f"{_x(at, len(groups)):.1f},{y(estimate):.1f}" for at, estimate, _, _ in bounds)
        yield f'<polyline points="{points}" fill="none" stroke="{_BLUE}" stroke-width="1.4"/>'
    for at, found in last:
        if found.mismatch:
            x = _x(at, len(groups))
            yield _line(x, top + PANEL - 5, x, top + PANEL, f'stroke="{_ORANGE}" stroke-width="2"')


def _band(groups: Sequence[Sequence[Moment]], top: float) -> Iterator[str]:
    """The share of the traffic that the version would have had."""
    yield _text(LEFT, top - 6, "traffic that it would have had", "start")
    yield f'<rect x="{LEFT}" y="{top}" width="{_INSIDE}" height="{BAND}" fill="none" stroke="#dddddd"/>'
    edges = [LEFT + _INSIDE * at / len(groups) for at in range(len(groups) + 1)]
    heard = [at for at, group in enumerate(groups) if _has_data(group)]
    if heard and heard[-1] + 1 < len(groups) and groups[-1][-1].weight:
        # Who gives no sign of life up to the end is gone: nobody can say what traffic it would have had.
        x = edges[heard[-1] + 1]
        words = "no data any more"
        yield _text(min(x + 4, WIDTH - RIGHT - 4), top + 14, words, "start" if x < WIDTH - 160 else "end", _GREY, 11)
        groups = groups[: heard[-1] + 1]
    heights = [top + BAND - BAND * group[-1].weight / 100 for group in groups]
    points = [(x, height) for at, height in enumerate(heights) for x in (edges[at], edges[at + 1])]
    outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in ((LEFT, top + BAND), *points, (edges[len(groups)], top + BAND)))
    yield f'<polygon points="{outline}" fill="{_BLUE}" fill-opacity="0.25" stroke="{_BLUE}"/>'
    yield _text(LEFT - 6, top + 10, "100 %", "end", _GREY, 11)
    yield _text(LEFT - 6, top + BAND, "0 %", "end", _GREY, 11)


def _has_data(group: Sequence[Moment]) -> bool:
    return any(check.verdict is not Verdict.NO_DATA for moment in group for check in moment.checks)


def _marks(told: Replayed, bottom: float) -> Iterator[str]:
    count = len(told.moments)
    for event, colour, word in ((ROLLED_BACK, _RED, "rolled back"), (PROMOTED, _GREEN, "promoted")):
        for number, moment in enumerate(told.having(event)):
            x = _x(moment.number - 1, count)
            yield _line(x, _WORDS[event] + 2, x, bottom, f'stroke="{colour}" stroke-width="1.5"')
            if number == 0:
                near_end = x > WIDTH - 160
                yield _text(x + (-4 if near_end else 4), _WORDS[event], word, "end" if near_end else "start", colour)


def _axis(moments: Sequence[Moment], bottom: float) -> Iterator[str]:
    for part in range(5):
        index = round((len(moments) - 1) * part / 4)
        x = _x(index, len(moments))
        yield _line(x, bottom, x, bottom + 4, f'stroke="{_GREY}"')
        anchor = "start" if part == 0 else "end" if part == 4 else "middle"
        yield _text(x, bottom + 18, to_text(moments[index].at), anchor, _GREY, 11)


def _legend(bottom: float) -> Iterator[str]:
    """What the marks of the panels mean."""
    y = bottom + 42
    yield _line(LEFT, y - 4, LEFT + 24, y - 4, f'stroke="{_RED}" stroke-dasharray="6 4"')
    yield _text(LEFT + 30, y, "limit", "start", _GREY, 11)
    yield f'<circle cx="{LEFT + 90}" cy="{y - 4:.1f}" r="2.4" fill="{_RED}"/>'
    yield _text(LEFT + 98, y, "breach", "start", _GREY, 11)
    yield _line(LEFT + 160, y - 6, LEFT + 160, y - 1, f'stroke="{_ORANGE}" stroke-width="2"')
    yield _text(LEFT + 168, y, "no data", "start", _GREY, 11)
