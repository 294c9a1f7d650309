"""Check kind `query`: one number of a query, against min and max."""

from collections.abc import Iterator

from modelramp.analysis.kind import CheckKind
from modelramp.analysis.number import VALUE, NumberKind
from modelramp.analysis.query_advice import never_negative, of_namespace, of_query, of_syntax
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.questions import Question, question
from modelramp.api.advice import Advice
from modelramp.api.check import Check
from modelramp.api.health import Health


class QueryKind(NumberKind):
    """A query that people wrote."""

    def value(self, check: Check, context: QueryContext, window: int) -> Question:
        """The query; the whole answer belongs to the version."""
        return question(VALUE, check.settings, context, window)

    def lint(self, check: Check, health: Health, path: str) -> Iterator[Advice]:
        """About the queries and the limits."""
        yield from super().lint(check, health, path)
        query, field = check.settings, f"{path}.query"
        if (unread := of_syntax(query, field)) is not None:
            yield unread
            return
        yield from of_namespace(query, field)
        yield from of_query(check, health, field)
        low = 0.0 if never_negative(query) else float("-inf")
        yield from self.lint_limits(check, path, low, float("inf"))


KIND: CheckKind = QueryKind()
