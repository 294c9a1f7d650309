"""What is likely wrong with the queries of a check that counts for itself: ratio, compare, sequential and so on."""

import re
from collections.abc import Iterator

from modelramp.analysis.checks import ONCE
from modelramp.analysis.counts import STABLE, other_arm, parts_of, stored
from modelramp.analysis.kinds import weigh
from modelramp.analysis.promql import nodes, parse, parse_problem, render, variables_in
from modelramp.analysis.query_context import QueryContext
from modelramp.api.check import Check, Role
from modelramp.api.checks.sequential import Detect
from modelramp.api.health import Health
from modelramp.api.verdict import Verdict
from modelramp.cli.output import Advice, Level

_PER_SECOND = re.compile(r"\bi?rate\s*\(")


_OURS = QueryContext(
    "ns-of-ours", "name-of-ours", "revision-of-ours", "service-of-ours", "stable-of-ours", "before-of-ours"
)


def of_kind(check: Check, health: Health, path: str) -> Iterator[Advice]:
    """Errors and warnings about a check that is neither query nor preset; `path` is where it stands."""
    in_a_row = check.failure_threshold or health.failure_threshold
    if check.sequential is not None and check.role is Role.ROLLBACK and in_a_row > 1:
        message = f"evidence that suffices has already added up over the ticks; {in_a_row} breaches in a row only come "
        yield Advice(Level.WARNING, f"{path}.failureThreshold", f"{message}{in_a_row - 1} later: set it to 1 here")
    yield from _of_reference(check, path)
    yield from _of_prices(check, path)
    kind = check.kind
    for part, query in _queries(check).items():
        field = f"{path}.{kind}.{part}"
        yield from of_count(query, field, both=other_arm(check) == STABLE, any_version=part == "reference.query")


def _of_reference(check: Check, path: str) -> Iterator[Advice]:
    """A warning when the numbers written as reference are none that a version could be held against."""
    reference = check.drift.reference if check.drift is not None else None
    if reference is None or reference.query is not None:
        return
    arm = stored(reference)
    result, _ = weigh(check, arm, arm, ONCE)
    if result.verdict is Verdict.NO_DATA:
        why = result.detail.removeprefix("candidate: ")
        yield Advice(Level.WARNING, f"{path}.drift.reference", f"this check can only give no data: {why}")


def _of_prices(check: Check, path: str) -> Iterator[Advice]:
    """An error for what is used and has no price, a warning for a price of nothing that is used."""
    if check.cost is None or check.cost.usage is None or check.cost.prices is None:
        return
    usage, prices, field = check.cost.usage, check.cost.prices, f"{path}.cost.prices"
    for kind in (kind for kind in usage if kind not in prices):
        yield Advice(Level.ERROR, field, f"{kind} has no price, so this check has no data once it is used; add {kind}")
    for kind in (kind for kind in prices if kind not in usage):
        yield Advice(Level.WARNING, field, f"{kind} is no kind of usage, so its price changes nothing")


def of_count(query: str, field: str, *, both: bool, any_version: bool = False) -> Iterator[Advice]:
    """Errors and warnings about a query that counts.

    both: it is asked of both versions. any_version: it need not say of which version it speaks.
    """
    if (problem := of_syntax(query, field)) is not None:
        yield problem
        return
    yield from of_namespace(query, field)
    if _PER_SECOND.search(query):
        message = "counts per second; evidence needs how many there were: use increase(...[{{window}}])"
        yield Advice(Level.WARNING, field, message)
    if not any_version and not variables_in(query) & {"revision", "service"} and "revision" not in query:
        each = " of both versions" if both else ""
        message = f"names no version: the series{each} are found by the label revision, which it does not mention"
        yield Advice(Level.WARNING, field, message)


def of_syntax(query: str, field: str) -> Advice | None:
    """An error for a query that no server takes, a warning for one that the parser is too old or too strict for."""
    problem = parse_problem(query)
    if problem is None:
        return None
    return Advice(Level.ERROR if problem.certain else Level.WARNING, field, problem.message)


def of_namespace(query: str, field: str) -> Iterator[Advice]:
    """A warning when series of this name or revision are taken from every namespace. query: one that can be parsed."""
    for node in nodes(parse(render(query, _OURS, 60))):
        if type(node).__name__ != "VectorSelector":
            continue
        matchers = node.matchers.matchers
        fixed = any(one.name.endswith("namespace") or _OURS.namespace in one.value for one in matchers)
        if not fixed and any("-of-ours" in one.value for one in matchers):
            message = "names no namespace; a revision of the same model and template has the same name in another one"
            message += ': add namespace="{{namespace}}"'
            yield Advice(Level.WARNING, field, message)
            return


def _queries(check: Check) -> dict[str, str]:
    """The queries by their place below the kind."""
    found = parts_of(check)
    reference = check.drift.reference if check.drift is not None else None
    if reference is not None and reference.query is not None:
        found["reference.query"] = reference.query
    return found


def of_watch(health: Health) -> Iterator[Advice]:
    """A warning when after promotion nothing would soon find what goes wrong after good hours."""
    rolling = [check for check in health.checks if check.role is Role.ROLLBACK]
    if rolling and all(check.sequential and check.sequential.detect is Detect.DIFFERENCE for check in rolling):
        message = "after promotion good hours outweigh a bad one in sequential checks that detect a difference, and no "
        message += "other check has role: rollback; add one with detect: change, or a ratio"
        yield Advice(Level.WARNING, "spec.health.checks", message)
