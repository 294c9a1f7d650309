"""Defaults that the API server writes into stored objects: an operator from before has to read them as well."""

from modelramp.api.crd import crd

FILLED_IN = """
afterPromotion afterPromotion.onBreach afterPromotion.watch health health.checks[].delay
health.checks[].drift.measure health.checks[].fairness.groupLabel health.checks[].role
health.checks[].sequential.detect health.checks[].weight health.checks[].when health.failureThreshold
health.interval health.onBreach[].job.backoffLimit
health.onBreach[].job.template.spec.containers[].ports[].protocol
health.onBreach[].job.template.spec.imagePullSecrets[].name
health.onBreach[].job.template.spec.initContainers[].ports[].protocol health.onBreach[].job.ttl
health.onBreach[].webhook.timeout health.onDrift[].job.backoffLimit
health.onDrift[].job.template.spec.containers[].ports[].protocol
health.onDrift[].job.template.spec.imagePullSecrets[].name
health.onDrift[].job.template.spec.initContainers[].ports[].protocol health.onDrift[].job.ttl
health.onDrift[].webhook.timeout health.policies[].kind replicas rollout rollout.abTest.delay
rollout.abTest.maxDuration rollout.abTest.minDuration rollout.abTest.split rollout.blueGreen.switch
rollout.capacity.candidate rollout.capacity.maxSurge rollout.capacity.minimum rollout.capacity.standby
rollout.capacity.standby.for rollout.evaluation.backoffLimit rollout.evaluation.results
rollout.evaluation.template.spec.containers[].ports[].protocol
rollout.evaluation.template.spec.imagePullSecrets[].name
rollout.evaluation.template.spec.initContainers[].ports[].protocol rollout.evaluation.timeout
rollout.progressDeadline rollout.revisionHistoryLimit rollout.rollbackWindow.revisions
rollout.rollbackWindow.within rollout.scaleDownDelay rollout.stepDuration rollout.steps rollout.strategy
routing.gateway.path routing.gateway.routeRef.kind routing.traefik.path routing.traefik.settleTime service
service.port service.targetPort template.spec.containers[].ports[].protocol
template.spec.imagePullSecrets[].name template.spec.initContainers[].ports[].protocol workloadRef.kind
"""
"""Those of the release, and those inside of what the release does not have, which nobody had when it ran."""


def filled_in(schema, path=""):
    for name, field in schema.get("properties", {}).items():
        where = f"{path}.{name}".lstrip(".")
        if "default" in field:
            yield where
        yield from filled_in(field, where)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(key), dict):
            yield from filled_in(schema[key], path + mark)


def test_no_field_is_filled_in_that_an_operator_from_before_would_refuse():
    """A field of an object that the release knows has its default in code: default_factory leaves it out here."""
    (version,) = crd()["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert sorted(filled_in(spec)) == FILLED_IN.split()
