"""Checks of any kind: from a check to its queries, and from their answers to an outcome."""

from modelramp.analysis.accumulated import ONCE, Window
from modelramp.analysis.counts import Answers
from modelramp.analysis.evidence import Unusable
from modelramp.analysis.kind import without_data
from modelramp.analysis.kinds import check_kind
from modelramp.analysis.number import SAMPLES, VALUE, judge_number
from modelramp.analysis.promql import NoStableVersion
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.questions import Ask, Question
from modelramp.analysis.wording import Limits
from modelramp.api.check import Check, Dimension
from modelramp.api.errors import NoAnswer, PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome

__all__ = ["SAMPLES", "VALUE", "Ask", "Question", "ask", "dimension_of", "judge", "limits_of", "no_answer"]


def ask(check: Check, subject: QueryContext, window: int) -> Ask | CheckOutcome:
    """The queries of a check; or the outcome (always NO_DATA) that says why it has none.

    window: value of {{window}}, seconds.
    """
    kind = check_kind(check)
    try:
        return Ask(tuple(kind.queries(check, subject, window)))
    except NoStableVersion as missing:
        return without_data(kind, check, Unusable(Reason.NOT_EVALUATED, str(missing)))
    except ValueError as error:
        return without_data(kind, check, Unusable(Reason.QUERY_INVALID, str(error)))


def judge(check: Check, answers: Answers, window: Window = ONCE) -> CheckOutcome:
    """The outcome of a check on the answers, by name of the question.

    A check of any kind takes an answer to VALUE, one number to compare with the limits: simulations give such numbers.
    """
    kind = check_kind(check)
    return judge_number(kind, check, answers) if VALUE in answers else kind.judge(check, answers, window)


def no_answer(check: Check, error: NoAnswer) -> CheckOutcome:
    """The outcome when Prometheus did not answer: NO_DATA with the reason and message of the error."""
    code = error.reason if isinstance(error, PrometheusUnavailable) else ""
    reason = Reason(code) if code in frozenset(Reason) else Reason.QUERY_FAILED
    problem = Unusable(reason, str(error) or "Prometheus gave no usable answer")
    return without_data(check_kind(check), check, problem)


def limits_of(check: Check) -> Limits:
    """The effective limits: those of the check, else those of its preset or kind."""
    return check_kind(check).limits(check)


def dimension_of(check: Check) -> Dimension:
    """The effective dimension: that of the check, else that of its preset."""
    return check_kind(check).dimension(check)
