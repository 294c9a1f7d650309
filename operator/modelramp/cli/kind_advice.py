"""What is likely wrong with the queries of a check that counts for itself: ratio, compare, sequential and so on."""

import re
from collections.abc import Iterator

from modelramp.analysis.arms import STABLE, other_arm, parts_of
from modelramp.analysis.promql import parse_problem, variables_in
from modelramp.api.check import Check
from modelramp.api.kind_rules import KINDS
from modelramp.cli.output import Advice, Level

_PER_SECOND = re.compile(r"\bi?rate\s*\(")


def of_kind(check: Check, path: str) -> Iterator[Advice]:
    """Errors and warnings about a check that is neither query nor preset; `path` is where it stands."""
    kind = next(kind for kind in KINDS if getattr(check, kind) is not None)
    for part, query in _queries(check).items():
        field = f"{path}.{kind}.{part}"
        if problem := parse_problem(query):
            yield Advice(Level.ERROR, field, problem)
            continue
        if _PER_SECOND.search(query):
            message = "counts per second; evidence needs how many there were: use increase(...[{{window}}])"
            yield Advice(Level.WARNING, field, message)
        if not variables_in(query) & {"revision", "service"} and "revision" not in query and part != "reference.query":
            each = " of both versions" if other_arm(check) == STABLE else ""
            message = f"names no version: the series{each} are found by the label revision, which it does not mention"
            yield Advice(Level.WARNING, field, message)


def _queries(check: Check) -> dict[str, str]:
    """The queries by their place below the kind."""
    found = parts_of(check)
    reference = check.drift.reference if check.drift is not None else None
    if reference is not None and reference.query is not None:
        found["reference.query"] = reference.query
    return found
