"""Why a rollout stands where it stands, and what has to happen next: from the object alone, in plain sentences."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from modelramp.analysis.checks import ask
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.questions import Ask
from modelramp.api.names import ConditionType, Phase
from modelramp.api.rollout import OnBreach
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.api.times import format_duration, to_seconds, to_text
from modelramp.cli.cluster import Object
from modelramp.cli.reading import UNSEEN, conditions_in, holds, judged, label, observed, status_in
from modelramp.core.policies import Lookup, resolve
from modelramp.core.strategies.registry import stages_of
from modelramp.desired.names import child_name


def explained(obj: Object, spec: ModelDeploymentSpec | None, policies: Lookup) -> dict[str, Any]:
    """What `modelramp why` says, as JSON. spec: None when it cannot be read."""
    status, metadata = status_in(obj), obj["metadata"]
    subject = judged(status)
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "phase": status.get("phase", ""),
        "message": status.get("message", ""),
        "revision": subject.get("revision", ""),
        "modelVersion": subject.get("modelVersion", ""),
        "checks": [_check(obj, found, spec, policies) for found in status.get("checks") or ()],
        "gates": [
            {"name": "evaluation", "state": found["state"], "message": found.get("message", "")}
            for found in ((status.get("candidate") or {}).get("evaluation"),)
            if found
        ],
        "holds": list(holds(obj)),
        "next": list(_ahead(obj, spec)),
    }


def _check(obj: Object, found: Mapping[str, Any], spec: ModelDeploymentSpec | None, policies: Lookup) -> dict[str, Any]:
    said = {key: found.get(key, "") for key in ("name", "role", "verdict", "value", "limit", "message", "at")}
    return {**said, "queries": list(_queries(obj, found, spec, policies)) if spec is not None else []}


def _queries(
    obj: Object, found: Mapping[str, Any], spec: ModelDeploymentSpec, policies: Lookup
) -> Iterator[dict[str, str]]:
    """What was asked for a check, and for which time."""
    health = resolve(spec.health, policies).health
    check = next((each for each in health.checks if each.name == found.get("name")), None)
    if check is None or not found.get("at"):
        return
    asked = ask(check, _context(obj), health.window_of(check))
    time = to_text(to_seconds(found["at"]) - check.delay)
    for question in asked.questions if isinstance(asked, Ask) else ():
        address = spec.health.prometheus.address
        yield {
            "name": question.name,
            "time": time,
            "query": question.text,
            **({"link": _link(address, question.text, time)} if address else {}),
        }


def _link(address: str, query: str, time: str) -> str:
    """The page of Prometheus that shows the query at its time."""
    end = quote(time.replace("T", " ").removesuffix("Z"))
    return f"{address.rstrip('/')}/graph?g0.expr={quote(query, safe='')}&g0.tab=1&g0.end_input={end}"


def _context(obj: Object) -> QueryContext:
    status, metadata = status_in(obj), obj["metadata"]
    revision = str(judged(status).get("revision", ""))
    stable = (status.get("stable") or {}).get("revision")
    name = metadata["name"]
    return QueryContext(
        metadata["namespace"],
        name,
        revision,
        child_name(name, revision),
        stable,
        child_name(name, stable) if stable else None,
    )


def _ahead(obj: Object, spec: ModelDeploymentSpec | None) -> Iterator[str]:
    """What has to happen next, in order."""
    status = status_in(obj)
    candidate = status.get("candidate")
    if not observed(obj):
        yield UNSEEN
    elif candidate is None:
        yield from _at_rest(obj)
    elif candidate.get("step", -1) < 0:
        yield from _before_traffic(status, candidate)
    elif spec is not None:
        yield from _in_step(status, candidate, spec)
    if observed(obj) and spec is not None and judged(status):
        yield from _way_back(status, spec)


def _at_rest(obj: Object) -> Iterator[str]:
    status, name = status_in(obj), obj["metadata"]["name"]
    ready = conditions_in(obj).get(ConditionType.READY, {})
    failed, deferred = status.get("failedRevision"), status.get("deferred") or {}
    if deferred.get("until"):
        yield f"{deferred['revision']} is tried again at {deferred['until']}"
    if status.get("phase") == Phase.ROLLED_BACK and failed:
        again = f"`kubectl modelramp retry {name}` tries it again"
        yield f"nothing by itself: {failed} gets no traffic until the spec changes; {again}"
    elif ready.get("status") == "True":
        yield f"nothing: {label(status.get('stable') or {})} serves as the spec wants, and is watched"
    elif ready.get("message"):
        yield ready["message"]


def _before_traffic(status: Mapping[str, Any], candidate: Mapping[str, Any]) -> Iterator[str]:
    evaluation = candidate.get("evaluation") or {}
    pods = f"{candidate['pods']} are" if candidate.get("pods") else "none is"
    yield f"the pods of {label(candidate)} have to become available: {pods}"
    if evaluation.get("state") == "Running":
        yield f"Job {evaluation.get('job', '')} has to end, and its results have to keep their limits"
    yield "then it gets all traffic" if not status.get("stable") else "then its first step begins"


def _in_step(status: Mapping[str, Any], candidate: Mapping[str, Any], spec: ModelDeploymentSpec) -> Iterator[str]:
    stages, step = stages_of(spec.rollout), int(candidate["step"])
    if not candidate.get("shown"):
        yield f"the route has to show {candidate.get('weight', 0)} % for {label(candidate)}; its step begins then"
    test = status.get("experiment") or {}
    if test.get("revision") == candidate.get("revision") and not test.get("verdict") and test:
        latest = f", at the latest at {test['latestEnd']}" if test.get("latestEnd") else ""
        yield f"the A/B test has to reach a verdict{latest}: {test.get('message', '')}"
    elif step < len(stages) and candidate.get("stepEntered"):
        ends = to_seconds(candidate["stepEntered"]) + stages[step].duration
        lasts = format_duration(stages[step].duration)
        over = bool(status.get("lastTick")) and to_seconds(status["lastTick"]) >= ends
        rest = f"has lasted its {lasts}" if over else f"has to last {lasts}: until {to_text(ends)} at the earliest"
        yield f"step {step + 1} of {len(stages)} {rest}"
    following = next((stage for stage in stages[step + 1 :] if stage.weight > candidate.get("weight", 0)), None)
    leads = f"gives it {following.weight} %" if following is not None else "promotes it"
    yield f"then the first healthy tick, with nothing that holds, {leads}"


def _way_back(status: Mapping[str, Any], spec: ModelDeploymentSpec) -> Iterator[str]:
    candidate, breaches = status.get("candidate") or {}, int(status.get("breaches") or 0)
    left = max(1, spec.health.failure_threshold - breaches)
    ticks = f"{left} more breach{'es' if left > 1 else ''} in a row" if breaches else f"{left} breaches in a row"
    if candidate.get("step", -1) >= 0 and status.get("stable"):
        yield f"{ticks} take all traffic back to {label(status['stable'])}"
    elif status.get("previous") and status.get("phase") == Phase.HEALTHY and not candidate:
        reported = spec.after_promotion.on_breach is OnBreach.REPORT
        leads = "are only reported" if reported else f"bring {label(status['previous'])} back"
        yield f"{ticks} {leads}"
