"""Formats measured values and limits for messages."""

import math
from dataclasses import dataclass

from modelramp.api.quantity import format_number

RATIO = "ratio"
"""Unit of a number from 0 to 1 that is shown as a percentage."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Minimum and maximum of a value; None is no limit."""

    min: float | None = None
    max: float | None = None
    unit: str = ""


def shown(value: float, unit: str = "", digits: int = 4) -> str:
    """A number with its unit; a ratio as a percentage.

    >>> shown(6.2, "s"), shown(0.031, "ratio"), shown(12, "/s"), shown(0.99997, "ratio")
    ('6.2 s', '3.1 %', '12/s', '99.997 %')
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    text = percents(value, digits) if unit == RATIO else format_number(value, digits)
    suffix = "%" if unit == RATIO else unit
    return f"{text}{'' if not suffix or suffix.startswith('/') else ' '}{suffix}"


def percents(share: float, digits: int = 4) -> str:
    """A ratio in percent, without the sign; the difference to 100 % keeps two significant digits.

    >>> percents(0.0307), percents(0.9999512), percents(1)
    ('3.07', '99.9951', '100')
    """
    scaled = share * 100
    missing = 100 - scaled
    if not 0 < missing < 1:
        return format_number(scaled, digits)
    places = min(10, max(digits - 2, 1 + math.ceil(-math.log10(missing))))
    return f"{scaled:.{places}f}".rstrip("0").rstrip(".")


def apart(value: float, limit: float, unit: str = "") -> str:
    """A value, with enough digits to distinguish it from a limit.

    >>> apart(5.00001, 5, "s"), apart(0.200004, 0.2), apart(0.31, 0.2)
    ('5.00001 s', '0.200004', '0.31')
    """
    alike = value != limit and shown(value, unit) == shown(limit, unit)
    return shown(value, unit, digits=10 if alike else 4)


def points(share: float) -> str:
    """A difference of ratios in percentage points.

    >>> points(0.01), points(0.025)
    ('1 percentage point', '2.5 percentage points')
    """
    text = format_number(100 * share)
    return f"{text} percentage point{'' if text == '1' else 's'}"


def limit_text(limits: Limits) -> str:
    """The limits in the status, next to the raw value; ratios are not converted to percentages.

    >>> limit_text(Limits(max=5, unit="s")), limit_text(Limits(0.1, 0.9, "ratio")), limit_text(Limits())
    ('<= 5 s', '>= 0.1, <= 0.9', 'none')
    """
    unit = "" if limits.unit == RATIO else limits.unit
    parts = [f">= {shown(limits.min, unit)}"] if limits.min is not None else []
    parts += [f"<= {shown(limits.max, unit)}"] if limits.max is not None else []
    return ", ".join(parts) or "none"


def compared(value: float, limits: Limits) -> str:
    """A value and the limit that it was compared with.

    >>> compared(6.2, Limits(max=5, unit="s"))
    '6.2 s, limit 5 s'
    >>> compared(0.31, Limits(min=0.85, unit="ratio"))
    '31 %, minimum 85 %'
    >>> compared(5.00001, Limits(max=5, unit="s"))
    '5.00001 s, limit 5 s'
    """
    bounds = [bound for bound in (limits.min, limits.max) if bound is not None]
    alike = any(bound != value and shown(bound, limits.unit) == shown(value, limits.unit) for bound in bounds)
    found = shown(value, limits.unit, digits=10 if alike else 4)
    if math.isinf(value):
        found = f"{found} (beyond what the query can measure)"
    if limits.min is not None and (limits.max is None or value < limits.min):
        return f"{found}, minimum {shown(limits.min, limits.unit)}"
    return f"{found}, limit {shown(limits.max, limits.unit)}" if limits.max is not None else f"{found}, no limit"
