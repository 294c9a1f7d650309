"""The four dimensions of a model's health, from metrics that a server writes under modelramp's own names.

Those of the reference model server are called so, since no other server writes them.
"""

import math

from modelramp.analysis.presets.preset import Preset, by_answering_revision, by_revision
from modelramp.analysis.presets.series import OWN, POD, TRUTH, mean, part, quantile, share_of_known
from modelramp.api.check import Dimension

_REFERENCE = "the reference model server, examples/server/telemetry.py"
_CONVENTION = "modelramp's own names; your server or whoever judges the answers writes them"
_UP = "https://prometheus.io/docs/concepts/jobs_instances/#automatically-generated-labels-and-time-series"

_EXCESS = TRUTH.rate("model_prediction_excess_total")
_SHORTFALL = TRUTH.rate("model_prediction_shortfall_total")
_FEEDBACK = TRUTH.rate("model_feedback_total")
_ENDED = "conversations_ended_total"

# A step of its own, so that a window of a minute still sees several scrapes.
_UPTIME = f'avg_over_time((max by ({OWN}) (up{{modeldeployment!=""}}))[{{{{window}}}}:15s])'


TECHNICAL = (
    Preset(
        name="reference-p95-latency",
        summary="Time within which 95 of 100 requests are answered; +Inf beyond the largest bucket",
        dimension=Dimension.TECHNICAL,
        unit="s",
        max=5,
        query=quantile(0.95, "prediction_latency_seconds"),
        pick=by_revision,
        source=_REFERENCE,
    ),
    Preset(
        name="reference-latency-mean",
        summary="Mean time to an answer",
        dimension=Dimension.TECHNICAL,
        unit="s",
        max=5,
        query=mean("prediction_latency_seconds"),
        pick=by_revision,
        source=_REFERENCE,
    ),
    Preset(
        name="reference-accuracy",
        summary="Share of answers that the true label confirmed when it arrived; use a long window and role: hold",
        dimension=Dimension.TECHNICAL,
        unit="ratio",
        min=0.85,
        query=part("model_feedback_correct_total", "model_feedback_total", TRUTH),
        pick=by_answering_revision,
        source=_REFERENCE,
    ),
    Preset(
        name="hallucination-rate",
        summary="Share of judged answers that say what is not so; no limit of its own",
        dimension=Dimension.TECHNICAL,
        unit="ratio",
        query=share_of_known("model_hallucinations_total", "model_answers_judged_total", TRUTH),
        pick=by_answering_revision,
        example="max: 0.05",
        source=_CONVENTION,
    ),
    Preset(
        name="refusal-rate",
        summary="Share of requests that the model declined to answer; no limit of its own",
        dimension=Dimension.TECHNICAL,
        unit="ratio",
        query=share_of_known("model_refusals_total", "prediction_requests_total"),
        pick=by_revision,
        example="max: 0.1",
        source=_CONVENTION,
    ),
    Preset(
        name="mape",
        summary="Mean absolute percentage error of a regressor; leave out truths of 0; no limit of its own",
        dimension=Dimension.TECHNICAL,
        unit="ratio",
        query=mean("model_absolute_percentage_error", of=TRUTH),
        pick=by_answering_revision,
        span=(0, math.inf),
        example="max: 0.2",
        source=_CONVENTION,
    ),
    Preset(
        name="mean-error",
        summary="How far a regressor's answers lie off on average, too high and too low set against each other (bias), "
        "without its sign; no limit of its own",
        dimension=Dimension.TECHNICAL,
        unit="",
        query=f"abs({_EXCESS} - {_SHORTFALL}) / {_FEEDBACK}",
        pick=by_answering_revision,
        example="max: 0.5",
        source=_CONVENTION,
    ),
    Preset(
        name="mean-absolute-error",
        summary="How far a regressor's answers lie off, too high or too low; no limit of its own",
        dimension=Dimension.TECHNICAL,
        unit="",
        query=f"({_EXCESS} + {_SHORTFALL}) / {_FEEDBACK}",
        pick=by_answering_revision,
        example="max: 0.5",
        source=_CONVENTION,
    ),
)

OPERATIONAL = (
    Preset(
        name="reference-error-rate",
        summary="Share of valid requests that the model failed to answer",
        dimension=Dimension.OPERATIONAL,
        unit="ratio",
        max=0.01,
        query=share_of_known("model_errors_total", "prediction_requests_total"),
        pick=by_revision,
        source=_REFERENCE,
    ),
    Preset(
        name="reference-requests-per-second",
        summary="Valid requests a second; no limit of its own",
        dimension=Dimension.OPERATIONAL,
        unit="/s",
        query=POD.rate("prediction_requests_total"),
        pick=by_revision,
        example="min: 1",
        source=_REFERENCE,
    ),
    Preset(
        name="uptime",
        summary="Share of the window in which at least one of the revision's pods answered its scrapes; one missed "
        "scrape weighs much in a short window, so use a long one and role: hold",
        dimension=Dimension.OPERATIONAL,
        unit="ratio",
        min=0.995,
        query=_UPTIME,
        pick=by_revision,
        source=_UP,
    ),
)

BUSINESS = (
    Preset(
        name="resolution-rate",
        summary="Share of conversations whose matter was settled",
        dimension=Dimension.BUSINESS,
        unit="ratio",
        min=0.70,
        query=part("conversations_resolved_total", _ENDED, TRUTH),
        pick=by_answering_revision,
        source=_CONVENTION,
    ),
    Preset(
        name="deflection-rate",
        summary="Share of conversations that no human had to take over; pair it with resolution-rate; "
        "no limit of its own",
        dimension=Dimension.BUSINESS,
        unit="ratio",
        query=part("conversations_deflected_total", _ENDED, TRUTH),
        pick=by_answering_revision,
        example="min: 0.5",
        source=_CONVENTION,
    ),
    Preset(
        name="cost-per-conversation",
        summary="What a conversation costs, in the currency that the counter is kept in",
        dimension=Dimension.BUSINESS,
        unit="",
        max=0.01,
        query=f"{TRUTH.rate('conversation_cost_total')} / {TRUTH.rate(_ENDED)}",
        pick=by_answering_revision,
        source=_CONVENTION,
    ),
)

USER_EXPERIENCE = (
    Preset(
        name="csat",
        summary="Mean rating that users gave, 1 to 5",
        dimension=Dimension.USER_EXPERIENCE,
        unit="",
        min=4.0,
        span=(1, 5),
        query=mean("conversation_rating", of=TRUTH),
        pick=by_answering_revision,
        source=_CONVENTION,
    ),
    Preset(
        name="conversation-length",
        summary="Mean number of turns in a conversation; no limit of its own",
        dimension=Dimension.USER_EXPERIENCE,
        unit="turns",
        query=mean("conversation_turns", of=TRUTH),
        pick=by_answering_revision,
        example="max: 20",
        source=_CONVENTION,
    ),
    Preset(
        name="abandonment-rate",
        summary="Share of conversations that the user left before their end",
        dimension=Dimension.USER_EXPERIENCE,
        unit="ratio",
        max=0.15,
        query=share_of_known("conversations_abandoned_total", _ENDED, TRUTH),
        pick=by_answering_revision,
        source=_CONVENTION,
    ),
)

PRESETS = (*OPERATIONAL, *TECHNICAL, *BUSINESS, *USER_EXPERIENCE)
