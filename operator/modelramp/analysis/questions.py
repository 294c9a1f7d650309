"""Rendered queries about one version."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from modelramp.analysis.increases import as_scraped
from modelramp.analysis.joint import AsOneOfMany, joint_query
from modelramp.analysis.matchers import LONGEST, MOST_PARTS, narrowed, operators_in
from modelramp.analysis.presets import Labels
from modelramp.analysis.promql import render, variable_problem, variables_in
from modelramp.analysis.query_context import VARIABLES, QueryContext, value_of

_ANY = QueryContext("namespace", "name", "revision", "service", "stable", "stable-service")
_MARK = "modelrampstandsfor"
_MARKED = re.compile(f"{_MARK}_({'|'.join(VARIABLES)})_")
_GROWTH = 3
"""How many times longer than with marks a query may be with names: they have up to 63 characters, marks from 23."""


@dataclass(frozen=True, slots=True)
class Question:
    """A rendered query.

    name: key of its answer. pick: the labels that select the series of this version from an answer for many versions;
    empty when the whole answer is about this version. joint: the same query in a form that can be asked for many
    objects, with the values of its keys for this one; None when it can't.
    """

    name: str
    text: str
    pick: Labels = ()
    joint: AsOneOfMany | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Ask:
    """The queries of one check about one version at one tick."""

    questions: tuple[Question, ...]


def count_questions(version: str, parts: Mapping[str, str], subject: QueryContext, window: int) -> Iterator[Question]:
    """The queries that count for one version, by part, asked for what was scraped. Raises ValueError for invalid ones.

    The counter of the total is what a target serves from its first request on: beside it others are born at 0.
    """
    whole = parts.get("total") or parts.get("count") or ""
    known = rendered(whole, subject, window) if whole else ""
    for part, query in parts.items():
        text = as_scraped(known if query == whole else rendered(query, subject, window), known).text
        yield Question(
            f"{version}.{part}", text, own_series(query, subject), _joint(query, whole, subject, window, counts=True)
        )


def question(name: str, query: str, subject: QueryContext, window: int, pick: Labels = ()) -> Question:
    """A query of the spec about one version. Raises ValueError for an invalid one."""
    text = rendered(query, subject, window)
    return Question(name, text, pick, _joint(query, "", subject, window, counts=False))


def _joint(query: str, whole: str, subject: QueryContext, window: int, *, counts: bool) -> AsOneOfMany | None:
    found = _with_marks(query, whole, window, limited=subject.limited, counts=counts)
    if found is None:
        return None
    joint, marked = found
    return joint, tuple(_MARKED.sub(lambda mark: value_of(mark[1], subject) or "", value) for value in marked)


@lru_cache(maxsize=4096)
def _with_marks(query: str, whole: str, window: int, *, limited: bool, counts: bool) -> AsOneOfMany | None:
    """The joint form of a query as all objects that share its text ask it, with marks where their names would stand."""
    if _MARK in query or _MARK in whole or operators_in(query) > MOST_PARTS:
        return None
    namespace, name, revision, stable, service, stable_service = (f"{_MARK}_{each}_" for each in VARIABLES[:-1])
    subject = QueryContext(namespace, name, revision, service, stable, stable_service, limited)
    try:
        text = rendered(query, subject, window)
        if counts:
            text = as_scraped(text, rendered(whole, subject, window) if whole else "").text
    except ValueError:
        return None
    found = joint_query(text) if len(text) * _GROWTH < LONGEST else None
    if found is None or any(isinstance(part, str) and _MARK in part for part in found[0].parts):
        return None
    return found


@lru_cache(maxsize=1024)
def not_as_scraped(query: str) -> bool:
    """Whether a query of the spec counts otherwise than `count_questions` says."""
    try:
        return bool(as_scraped(render(query, _ANY, 60)).rest)
    except ValueError:
        return False


def rendered(query: str, subject: QueryContext, window: int) -> str:
    """The text of a query of the spec, with its variables replaced. Raises ValueError for an invalid query."""
    if problem := variable_problem(query):
        raise ValueError(problem)
    text = render(query, subject, window)
    return narrowed(text, subject.namespace) if subject.limited else text


def own_series(query: str, subject: QueryContext) -> Labels:
    """The labels that select the series of the version; () when the query itself names the version.

    A query without a version is answered once for all versions and must keep the label revision; one that names no
    ModelDeployment either is answered once for all of them, and must keep their labels, too.
    """
    named = variables_in(query)
    if named & {"revision", "service"}:
        return ()
    revision = ("revision", subject.revision)
    if named & {"namespace", "name"}:
        return (revision,)
    return (("namespace", subject.namespace), ("modeldeployment", subject.name), revision)
