"""Rendered queries about one version."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from modelramp.analysis.increases import as_scraped
from modelramp.analysis.matchers import narrowed
from modelramp.analysis.presets import Labels
from modelramp.analysis.promql import render, variable_problem, variables_in
from modelramp.analysis.query_context import QueryContext

_ANY = QueryContext("namespace", "name", "revision", "service", "stable", "stable-service")


@dataclass(frozen=True, slots=True)
class Question:
    """A rendered query.

    name: key of its answer. pick: the labels that select the series of this version from an answer for many versions;
    empty when the whole answer is about this version.
    """

    name: str
    text: str
    pick: Labels = ()


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
        text = known if query == whole else rendered(query, subject, window)
        yield Question(f"{version}.{part}", as_scraped(text, known).text, own_series(query, subject))


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
