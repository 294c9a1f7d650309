"""Rendered queries about one version."""

from dataclasses import dataclass

from modelramp.analysis.matchers import narrowed
from modelramp.analysis.presets import Labels
from modelramp.analysis.promql import render, variable_problem, variables_in
from modelramp.analysis.query_context import QueryContext


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


def question(name: str, query: str, subject: QueryContext, window: int) -> Question:
    """A query about one version, with the labels of its series. Raises ValueError for an invalid query."""
    return Question(name, rendered(query, subject, window), own_series(query, subject))


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
