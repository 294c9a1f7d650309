"""The queries of a check about one version, ready to be sent."""

from dataclasses import dataclass

from modelramp.analysis.matchers import narrowed
from modelramp.analysis.presets import Labels
from modelramp.analysis.promql import render, variable_problem, variables_in
from modelramp.analysis.query_context import QueryContext


@dataclass(frozen=True, slots=True)
class Question:
    """One query.

    name: by which the judge finds the answer. pick: the labels of the subject's series in an answer that serves
    many subjects; empty when the whole answer belongs to the subject.
    """

    name: str
    text: str
    pick: Labels = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """All that has to be asked for one check of one subject at one tick."""

    questions: tuple[Question, ...]


def question(name: str, query: str, subject: QueryContext, window: int) -> Question:
    """A query about one version, with the series that are its own. Raises ValueError when it cannot be asked."""
    return Question(name, rendered(query, subject, window), own_series(query, subject))


def rendered(query: str, subject: QueryContext, window: int) -> str:
    """A query that people wrote, with its variables filled in. Raises ValueError when it cannot be asked."""
    if problem := variable_problem(query):
        raise ValueError(problem)
    text = render(query, subject, window)
    return narrowed(text, subject.namespace) if subject.limited else text


def own_series(query: str, subject: QueryContext) -> Labels:
    """Which series of the answer belong to the subject; () when the query itself names it.

    A query that names no version answers for all of them at once and must keep the label revision; one that names no
    ModelDeployment either serves all of them with one answer, and must keep their labels too.
    """
    named = variables_in(query)
    if named & {"revision", "service"}:
        return ()
    revision = ("revision", subject.revision)
    if named & {"namespace", "name"}:
        return (revision,)
    return (("namespace", subject.namespace), ("modeldeployment", subject.name), revision)
