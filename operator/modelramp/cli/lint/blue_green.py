"""What a blue/green rollout would do that people may not expect."""

from collections.abc import Iterator

from modelramp.api.advice import Advice, Level
from modelramp.api.health import Health
from modelramp.api.rollout import Rollout
from modelramp.api.times import format_duration
from modelramp.core.strategies.registry import stages_of

_PATH = "spec.rollout.blueGreen"


def of_blue_green(rollout: Rollout, health: Health, *, complete: bool) -> Iterator[Advice]:
    """Warnings and errors. health: with the checks of policies; complete: whether all of these are known."""
    asked = rollout.blue_green
    named = asked.preview_checks if asked is not None else None
    known = {check.name for check in health.during(rolling=True).checks}
    for index, name in enumerate(named or ()):
        if complete and name not in known:
            message = f"no check named {name} runs during a rollout"
            yield Advice(Level.ERROR, f"{_PATH}.previewChecks[{index}]", message)
    if named is None and known and (asked is None or not asked.preview_hostnames):
        message = (
            "is missing: only the Service of the revision reaches the preview, and the switch waits until every check "
            "has data; write previewHostnames and send requests there, or name in previewChecks what has to be judged"
        )
        yield Advice(Level.WARNING, f"{_PATH}.previewHostnames", message)
    preview, switched = stages_of(rollout)
    for stage, path in ((preview, f"{_PATH}.previewDuration"), (switched, "spec.rollout.stepDuration")):
        if stage.duration < health.interval * health.failure_threshold:
            ticks = stage.duration // health.interval
            message = (
                f"{format_duration(stage.duration)} has only {ticks} check{'s' if ticks != 1 else ''}, and a rollback "
                f"takes {health.failure_threshold} breaches"
            )
            yield Advice(Level.WARNING, path, message)
