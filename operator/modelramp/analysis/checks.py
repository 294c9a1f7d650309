"""A check as questions to Prometheus, and their answers as a verdict; modelramp.analysis.kinds does the work."""

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
    """The check's questions; or, when nothing can be asked, the outcome (always NO_DATA) that says why.

    window: seconds that {{window}} stands for.
    """
    kind = check_kind(check)
    try:
        return Ask(tuple(kind.queries(check, subject, window)))
    except NoStableVersion as missing:
        return without_data(kind, check, Unusable(Reason.NOT_EVALUATED, str(missing)))
    except ValueError as error:
        return without_data(kind, check, Unusable(Reason.QUERY_INVALID, str(error)))


def judge(check: Check, answers: Answers, window: Window = ONCE) -> CheckOutcome:
    """The verdict on the answers, by name of the question; `window`: over what evidence adds up.

    An answer to VALUE is one number against the limits, whatever the kind: simulations give such numbers.
    """
    kind = check_kind(check)
    return judge_number(kind, check, answers) if VALUE in answers else kind.judge(check, answers, window)


def no_answer(check: Check, error: NoAnswer) -> CheckOutcome:
    """The outcome when Prometheus could not be asked: NO_DATA with the error's reason and words."""
    code = error.reason if isinstance(error, PrometheusUnavailable) else ""
    reason = Reason(code) if code in frozenset(Reason) else Reason.QUERY_FAILED
    problem = Unusable(reason, str(error) or "Prometheus gave no usable answer")
    return without_data(check_kind(check), check, problem)


def limits_of(check: Check) -> Limits:
    """The limits that count: the check's own if it gives any, else those of its preset or its kind."""
    return check_kind(check).limits(check)


def dimension_of(check: Check) -> Dimension:
    """The check's dimension: its own if it gives one, else that of its preset."""
    return check_kind(check).dimension(check)
