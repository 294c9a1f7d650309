"""Lint of hooks that can never start, or only after the revision is gone."""

from collections.abc import Iterator

from modelramp.api.advice import Advice, Level
from modelramp.api.health import Health
from modelramp.api.hooks import Hook, On
from modelramp.api.rollout import OnBreach
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.cli.lint.pods import of_references
from modelramp.cli.lint.refused_pods import of_refused

_LISTS = {On.DRIFT: "on_drift", On.BREACH: "on_breach"}


def of_hooks(spec: ModelDeploymentSpec, health: Health, *, complete: bool) -> Iterator[Advice]:
    """Everything about spec.health.onDrift and onBreach.

    health: with the checks of the policies. complete: whether all policies are at hand, so that no check is missing.
    """
    for on, field in _LISTS.items():
        for index, hook in enumerate(getattr(spec.health, field)):
            path = f"spec.health.{on}[{index}]"
            if complete:
                yield from _of_checks(on, hook, health, path)
            yield from _of_row(spec, on, hook, path)
            if hook.job is not None:
                yield from of_references(hook.job.template.get("spec", {}), f"{path}.job.template.spec")
                yield from of_refused(hook.job.template.get("spec", {}), f"{path}.job.template.spec")
            if hook.webhook is not None and hook.webhook.secret_ref and hook.webhook.url.startswith("http:"):
                message = "no token is sent without encryption by default; use https, or a Secret with `hmac` alone"
                yield Advice(Level.WARNING, f"{path}.webhook.url", message)


def _of_checks(on: On, hook: Hook, health: Health, path: str) -> Iterator[Advice]:
    known = {check.name for check in health.checks}
    for place, name in enumerate(hook.checks):
        if name not in known:
            declared = f"declared are {', '.join(sorted(known))}" if known else "none is declared"
            yield Advice(Level.ERROR, f"{path}.checks[{place}]", f"no check is named {name}; {declared}")
    if on is On.DRIFT and not hook.checks and not any(check.starts_drift_hooks for check in health.checks):
        yield Advice(Level.ERROR, path, "no check is of kind drift, so this never starts; add one, or name checks")


def _of_row(spec: ModelDeploymentSpec, on: On, hook: Hook, path: str) -> Iterator[Advice]:
    """A rollback ends the episode: a longer row is never completed."""
    threshold = spec.health.failure_threshold
    ends = spec.after_promotion.on_breach is OnBreach.ROLLBACK
    if on is On.BREACH and not hook.checks and hook.after is not None and hook.after > threshold and ends:
        message = f"{hook.after} is above failureThreshold ({threshold}): the revision is rolled back before that"
        yield Advice(Level.WARNING, f"{path}.after", message)
