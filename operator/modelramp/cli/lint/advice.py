"""Lint of what the API server accepts although it will not do what was intended: rollout, pods, image."""

from collections.abc import Iterator, Mapping
from typing import Any

from modelramp.analysis.counts import STABLE
from modelramp.analysis.kinds import check_kind
from modelramp.api.advice import Advice, Level
from modelramp.api.check import Role
from modelramp.api.health import Health
from modelramp.api.rollout import CandidatePods, Watching
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.api.times import format_duration
from modelramp.cli.lint.ab_test import of_test
from modelramp.cli.lint.blue_green import of_blue_green
from modelramp.cli.lint.hooks import of_hooks
from modelramp.cli.lint.jobs import of_evaluation
from modelramp.cli.lint.known_policies import NOT_AT_HAND
from modelramp.cli.lint.pods import of_config_maps, of_references
from modelramp.cli.lint.refused_pods import of_refused
from modelramp.cli.lint.timing import of_timing
from modelramp.core.need import asks_for, peak
from modelramp.core.policies import Lookup, Resolved, resolve
from modelramp.core.strategies.registry import stages_of
from modelramp.desired.routers import router_of

Container = Mapping[str, Any]
Names = frozenset[str]
_PROBE_PERIOD = 10
"""Seconds between probes when the template does not say; failureThreshold is 3 then (Kubernetes' defaults)."""


def advice(
    spec: ModelDeploymentSpec, template: Mapping[str, Any], known: Lookup, immutable: Names = frozenset()
) -> Iterator[Advice]:
    """Errors and warnings about a spec that follows all rules; `template` as written, empty with a workloadRef.

    known: finds policies. immutable: names of ConfigMaps that are known not to change.
    """
    found = resolve(spec.health, known)
    if spec.rollout.strategy == "BlueGreen":
        yield from of_blue_green(spec.rollout, found.health, complete=not found.missing)
    else:
        yield from _of_steps(spec)
    yield from _of_capacity(spec)
    yield from of_evaluation(spec.rollout.evaluation)
    yield from _of_policies(found)
    yield from _of_checks(spec, found)
    yield from of_hooks(spec, found.health, complete=not found.missing)
    yield from _of_hostnames(spec)
    yield from _of_version(spec)
    if spec.workload_ref is not None:
        yield from _of_workload(spec)
        return
    containers = [*template["spec"].get("containers", ())]
    yield from _of_port(spec, [*containers, *template["spec"].get("initContainers", ())])
    yield from of_references(template["spec"], "spec.template.spec")
    yield from of_refused(template["spec"], "spec.template.spec")
    if "activeDeadlineSeconds" in template["spec"]:
        yield Advice(Level.ERROR, "spec.template.spec.activeDeadlineSeconds", "only the pods of a Job may have one")
    if spec.track_config is None or not spec.track_config.config_maps:
        yield from of_config_maps(template["spec"], "spec.template.spec", immutable)
    for index, container in enumerate(containers):
        path = f"spec.template.spec.containers[{index}]"
        yield from _of_image(container, path)
        yield from _of_probes(spec, container, path)


def _of_workload(spec: ModelDeploymentSpec) -> Iterator[Advice]:
    """What is left behind where only the pods of a Deployment are taken over."""
    gateway, name = spec.routing.gateway, spec.workload_ref.name if spec.workload_ref is not None else ""
    if gateway is None or gateway.route_ref is None:
        text = f"makes a route of its own, and callers that reach Deployment {name} today do not follow it; "
        yield Advice(Level.WARNING, "spec.routing", text + "divide their route with spec.routing.gateway.routeRef")


def _of_hostnames(spec: ModelDeploymentSpec) -> Iterator[Advice]:
    gateway = spec.routing.gateway
    if gateway is not None and not gateway.hostnames and gateway.path == "/":
        message = "is missing: the route takes the requests of every host that no other route of the Gateway names; "
        yield Advice(Level.WARNING, "spec.routing.gateway.hostnames", message + "write the hosts of this model")
    if gateway is not None and "*" in gateway.path:
        message = "is the beginning of a path, in which * stands for itself; leave it out"
        yield Advice(Level.WARNING, "spec.routing.gateway.path", message)


def _of_version(spec: ModelDeploymentSpec) -> Iterator[Advice]:
    if any(mark in spec.model.version for mark in ("${", "$(", "{{")):
        yield Advice(Level.WARNING, "spec.model.version", "looks like a placeholder that nothing has filled in")


def _of_capacity(spec: ModelDeploymentSpec) -> Iterator[Advice]:
    """The worst case of a rollout with less room than both versions need."""
    surge = peak(spec)
    if not spec.replicas:
        text = "nothing serves and nothing is judged; remove it if an autoscaler or a person sets it"
        yield Advice(Level.WARNING, "spec.replicas", f"is 0: {text}")
    elif spec.rollout.strategy == "Replace":
        text = (
            "nothing serves from the end of the old pods until the new ones are available, and again on the way back; "
        )
        text += f"an outage lasts as long as a start, {format_duration(spec.rollout.progress_deadline)} at most"
        yield Advice(Level.WARNING, "spec.rollout.strategy", text)
    elif spec.rollout.capacity.max_surge_resources and (found := [*_of_surge_resources(spec)]):
        yield from found
    elif spec.replicas == 1 and not surge:
        text = "leaves no room for a pod of a new version beside the one that serves; set maxSurge to 1"
        yield Advice(Level.ERROR, "spec.rollout.capacity.maxSurge", text)
    elif spec.rollout.capacity.candidate is CandidatePods.BY_SHARE and surge < spec.replicas:
        few = f"{max(1, surge)} of {spec.replicas} pods of the stable version carry all traffic"
        text = f"after a breach at 100 % {few} until the others have started"
        yield Advice(Level.WARNING, "spec.rollout.capacity", text)


def _of_surge_resources(spec: ModelDeploymentSpec) -> Iterator[Advice]:
    """Bounds within which no rollout can end. Of a workloadRef's template nothing is known here."""
    capacity, path = spec.rollout.capacity, "spec.rollout.capacity.maxSurgeResources"
    asks = asks_for(spec.template, capacity.surge_amounts)
    for name, surge in capacity.surge_amounts.items() if spec.template else ():
        each = asks.get(name)
        if not each:
            text = "no container asks for it: remove it, or write it into the resources of a container"
            yield Advice(Level.ERROR, f"{path}[{name}]", text)
        elif surge < each and (spec.replicas == 1 or not capacity.unavailable(spec.replicas)):
            least = f"{each.normalize():f}"
            fix = f"raise it to {least}" + (", or set maxUnavailable to 1" if spec.replicas > 1 else "")
            yield Advice(Level.ERROR, f"{path}[{name}]", f"is less than one pod asks for ({least}): {fix}")


def _of_steps(spec: ModelDeploymentSpec) -> Iterator[Advice]:
    interval, rollout = spec.health.interval, spec.rollout
    if rollout.ab_test is not None:
        yield from of_test(rollout.ab_test, interval, router_of(spec.routing).sticky(spec.routing))
        return
    stages = stages_of(rollout)
    for index, step in enumerate(rollout.steps):
        own = step.duration is not None
        path = f"spec.rollout.steps[{index}].duration" if own else "spec.rollout.stepDuration"
        lasts = stages[index].duration
        if lasts < interval:
            message = f"{format_duration(lasts)} is shorter than health.interval ({format_duration(interval)}): a step "
            yield Advice(Level.WARNING, path, message + "would end at its first check")
        elif lasts < interval * spec.health.failure_threshold and step.weight < 100:
            ticks = lasts // interval
            message = (
                f"{format_duration(lasts)} has only {ticks} check{'s' if ticks != 1 else ''}, and a rollback takes "
                f"{spec.health.failure_threshold} breaches: more traffic may come before the rollback"
            )
            yield Advice(Level.WARNING, path, message)
        if not own:
            break


def _of_policies(found: Resolved) -> Iterator[Advice]:
    for place, policy in enumerate(found.policies):
        path, name = f"spec.health.policies[{place}]", f"{policy.kind} {policy.name}"
        if policy.problem == NOT_AT_HAND:
            yield Advice(Level.WARNING, path, f"{name} {policy.problem}: what it says is not looked at")
        elif policy.problem:
            yield Advice(Level.ERROR, path, f"{name}: {policy.problem}")


def _of_checks(spec: ModelDeploymentSpec, found: Resolved) -> Iterator[Advice]:
    health = found.health
    if found.missing:
        pass  # what is not at hand may have any role
    elif not health.checks:
        message = "there are none, so only pods that are not available would be noticed"
        yield Advice(Level.WARNING, "spec.health.checks", message)
    elif all(check.role is not Role.ROLLBACK for check in health.checks):
        message = "none has role: rollback, so no measured value can bring the last version back"
        yield Advice(Level.WARNING, "spec.health.checks", message)
    beside = [check.name for check in health.checks if check_kind(check).baseline(check) == STABLE]
    if beside and stages_of(spec.rollout)[0].weight == 100:
        message = (
            f"no step below 100 %, so {', '.join(beside)} compares with a stable version that has no traffic any more; "
            "begin with a smaller step"
        )
        yield Advice(Level.WARNING, "spec.rollout.steps", message)
    for index, check in enumerate(spec.health.checks):
        yield from check_kind(check).lint(check, health, f"spec.health.checks[{index}]")
        yield from of_timing(spec, check, f"spec.health.checks[{index}]")
    for check in health.checks:
        if check.name in found.origin:
            path = f"spec.health.policies[{found.origin[check.name]}]"
            # Warnings about its queries are said once, of the policy; those about its times depend on the rollout.
            items = [item for item in check_kind(check).lint(check, health, "") if item.level is Level.ERROR]
            for item in (*items, *of_timing(spec, check, "")):
                yield Advice(item.level, path, f"check {check.name}{item.path}: {item.message}")
    if spec.after_promotion.watch is Watching.FOREVER and not found.missing:
        yield from _of_watch(health.during(rolling=False))


def _of_watch(health: Health) -> Iterator[Advice]:
    """A warning when after promotion nothing would soon find what goes wrong after good hours."""
    rolling = [check for check in health.checks if check.role is Role.ROLLBACK]
    if rolling and not any(check_kind(check).notices_late_changes(check) for check in rolling):
        message = "after promotion good hours outweigh a bad one in sequential checks that detect a difference, and no "
        message += "other check has role: rollback; add one with detect: change, or a ratio"
        yield Advice(Level.WARNING, "spec.health.checks", message)


def _of_port(spec: ModelDeploymentSpec, containers: list[Container]) -> Iterator[Advice]:
    wanted = spec.service.target_port
    ports = [port for container in containers for port in container.get("ports", ())]
    if isinstance(wanted, str) and wanted not in (port.get("name") for port in ports):
        named = ", ".join(sorted(str(port["name"]) for port in ports if port.get("name")))
        message = f"no container's port is named {wanted!r}; " + (f"there are {named}" if named else "none has a name")
        yield Advice(Level.ERROR, "spec.service.targetPort", message)
    elif isinstance(wanted, int) and ports and wanted not in (port.get("containerPort") for port in ports):
        listed = ", ".join(str(port.get("containerPort")) for port in ports)
        yield Advice(Level.WARNING, "spec.service.targetPort", f"no container names port {wanted}; they name {listed}")


def _of_image(container: Container, path: str) -> Iterator[Advice]:
    image = str(container["image"])
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag in ("", "latest"):
        message = f"{image} may be another image tomorrow, and then a rollback would not bring the old one back; "
        yield Advice(Level.WARNING, f"{path}.image", message + "use a version or a digest")


def _of_probes(spec: ModelDeploymentSpec, container: Container, path: str) -> Iterator[Advice]:
    readiness, startup = container.get("readinessProbe"), container.get("startupProbe")
    serves = spec.service.target_port in {
        port.get(key) for port in container.get("ports", ()) for key in ("name", "containerPort")
    }
    if readiness is None and serves:
        message = "is missing: traffic would come before the model is loaded"
        yield Advice(Level.WARNING, f"{path}.readinessProbe", message)
    deadline = spec.rollout.progress_deadline
    earliest = sum(probe.get("initialDelaySeconds", 0) for probe in (readiness or {}, startup or {}))
    if earliest >= deadline:
        message = f"{format_duration(deadline)} ends before a pod can be ready ({format_duration(earliest)})"
        yield Advice(Level.ERROR, "spec.rollout.progressDeadline", f"{message}; every rollout would fail")
    elif startup is not None and (latest := earliest + _patience(startup)) > deadline:
        message = f"{format_duration(deadline)} ends before startupProbe gives up ({format_duration(latest)})"
        yield Advice(Level.WARNING, "spec.rollout.progressDeadline", f"{message}; a slow start would fail the rollout")


def _patience(probe: Mapping[str, Any]) -> int:
    period: int = probe.get("periodSeconds", _PROBE_PERIOD)
    failures: int = probe.get("failureThreshold", 3)
    return period * failures
