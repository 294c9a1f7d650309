"""Presets: queries with limits, whose answers serve all objects that use them."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from modelramp.analysis.query_context import QueryContext
from modelramp.api.check import Dimension

_WORD = re.compile(r"([a-zA-Z0-9_:]+)(\{(?!\{))?")
"""A word of PromQL, and the brace behind it that makes it a metric."""

Labels = tuple[tuple[str, str], ...]
"""Labels and their exact values, by which one object's series is found in a grouped answer."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One measure that can be used with a single line.

    unit: of the value; "ratio" is 0 to 1 and shown to people as a percentage.
    min, max: the limits when the check gives none. query: grouped PromQL; it may contain only {{window}}.
    pick: the labels of the subject's own series in the answer. source: where the metric is documented.
    span: between these every value lies; not set, 0 to 1 for a ratio, else 0 upwards.
    example: a limit as a check may write it, for a preset that has none of its own.
    """

    name: str
    summary: str
    dimension: Dimension
    unit: str
    query: str
    pick: Callable[[QueryContext], Labels]
    source: str
    min: float | None = None
    max: float | None = None
    span: tuple[float, float] | None = None
    example: str = ""

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the query reads; of a share the one that counts what is bad comes first."""
        return tuple(dict.fromkeys(word for word, brace in _WORD.findall(self.query) if brace and word != "up"))

    @property
    def range(self) -> tuple[float, float]:
        """Between these every value lies; either may be infinite."""
        if self.span is not None:
            return self.span
        return 0.0, 1.0 if self.unit == "ratio" else math.inf


def by_revision(subject: QueryContext) -> Labels:
    """Series of the model's own metrics: Prometheus has put the pod's labels on them."""
    return (("namespace", subject.namespace), ("modeldeployment", subject.name), ("revision", subject.revision))


def by_answering_revision(subject: QueryContext) -> Labels:
    """Late truth, which any pod may have received: counted for the revision that gave the answer."""
    return (("namespace", subject.namespace), ("modeldeployment", subject.name), ("answered_by", subject.revision))
