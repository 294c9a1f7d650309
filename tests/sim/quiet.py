"""Stories of models that fail quietly: checks with times, thresholds and weights of their own, and sums of evidence."""

from typing import Any

from tests.sim.hooked import HOOKS, hooked
from tests.sim.scenarios import Scenario, manifest

ERRORS, ACCURACY = manifest("1.0.0")["spec"]["health"]["checks"]


def check(name: str, **rest: Any) -> dict[str, Any]:
    """A check of a scripted metric."""
    return {"name": name, "query": f'avg(sim_{name}{{revision="{{{{revision}}}}"}})', "max": "0.01", **rest}


LABELS = check("labels", interval="2m", window="1m", delay="2m", failureThreshold=2)
"""Asked at even minutes about a minute that ended two minutes before; two breaches in a row roll back."""
COUNTED = {
    part: f'sum(sim_{metric}{{revision="{{{{revision}}}}"}})'
    for part, metric in (("bad", "conversions"), ("total", "visits"))
}
SUMS = {"name": "sums", "role": "inform", "sequential": COUNTED}
LATER = check("answers", when="after-promotion", dimension="operational")
TOLERATED = check("answers", dimension="operational")


def story(*checks: dict[str, Any], answers: dict[str, str], fails: bool, **rest: Any) -> Scenario:
    """The usual rollout with other checks beside `errors`. answers: the script of version 2.0.0."""
    health = {"checks": [ERRORS, *checks], **rest.pop("health", {})}
    ends = {"serves": "1.0.0", "failed": "2.0.0"} if fails else {"serves": "2.0.0"}
    return Scenario(**ends, health=health, scripts={"2.0.0": answers}, **rest)


SLOW = story(LABELS, answers={"labels": "bbbbhhbbbbb"}, fails=True)
SLOW_LATER = story(LABELS, answers={"labels": "h|hhbb"}, fails=True)
AFTER_ONLY = story(LATER, answers={"answers": "b"}, fails=True)
TOLERANT = Scenario(
    serves="2.0.0",
    health={"checks": [{**ERRORS, "weight": 3}, TOLERATED], "minScore": 60},
    scripts={"2.0.0": {"answers": "bbbbbh"}},
)
CRITICAL = story({**TOLERATED, "critical": True}, answers={"answers": "hb"}, fails=True, health={"minScore": 50})
AT_ONCE = hooked(story({**TOLERATED, "failureThreshold": 1}, answers={"answers": "hhb"}, fails=True, health=HOOKS))
SUMMED = story(
    SUMS,
    answers={"conversions": "hwhbw?hw"},
    fails=False,
    rollout={"steps": [{"weight": 50, "duration": "12m"}, {"weight": 100}]},
)

QUIET = {
    "a slow check breaches": SLOW,
    "a slow check breaches after promotion": SLOW_LATER,
    "a check of the watch breaches": AFTER_ONLY,
    "a score tolerates a breach": TOLERANT,
    "a critical check breaches": CRITICAL,
    "one breach is enough": AT_ONCE,
    "evidence adds up": SUMMED,
}
