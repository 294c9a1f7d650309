"""Traefik joins namespace and Service by a dash: where that names two objects' Services, neither is judged by it."""

import pytest

from modelramp.api.kinds import MODEL_DEPLOYMENT
from modelramp.api.names import Reason
from modelramp.api.times import to_text
from modelramp.engine.store import Store
from tests.unit.engine.turns_of_ticks import ticks_of

NOW = 1_800_000_000
ONE, OTHER = ("ml-eu", "digits"), ("ml", "eu-digits")


class Nothing:
    async def instant(self, endpoint, query, at, asker=None):
        return ()


def observe(store, key, *, revision="same", check=None, weight=10):
    namespace, name = key
    store.observe(
        MODEL_DEPLOYMENT,
        "ADDED",
        {
            "apiVersion": "modelramp.io/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"namespace": namespace, "name": name, "uid": f"{namespace}-{name}", "resourceVersion": "1"},
            "spec": {
                "model": {"name": "digits", "version": "2"},
                "template": {"spec": {"containers": [{"name": "model", "image": "digits:2"}]}},
                "routing": {"gateway": {"parentRefs": [{"name": "public"}]}},
                "health": {"checks": [{"name": "errors", **(check or {"preset": "traefik-error-rate"})}]},
            },
            "status": {
                "phase": "Progressing",
                "stable": {"revision": f"stable-of-{name}"},
                "candidate": {"revision": revision, "weight": weight, "step": 0, "stepEntered": to_text(NOW - 600)},
                "lastTick": to_text(NOW - 60),
            },
        },
    )


async def found(store):
    """What the check of each object found, by key."""
    return {key: outcome.checks[0] for key, (outcome,) in (await ticks_of(store, Nothing(), NOW + 5)).items()}


async def test_series_that_may_be_of_two_objects_are_no_data_for_both():
    store = Store()
    observe(store, ONE)
    observe(store, OTHER)
    checks = await found(store)

    assert {check.reason for check in checks.values()} == {Reason.SEVERAL_SERIES}
    assert "do not tell ml-eu/digits from ModelDeployment ml/eu-digits: rename one" in checks[ONE].detail
    assert "do not tell ml/eu-digits from ModelDeployment ml-eu/digits: rename one" in checks[OTHER].detail


@pytest.mark.parametrize(
    ("key", "others"),
    [
        (OTHER, {"revision": "another"}),
        (("ml", "digits"), {}),
        (("ml", "eu-digits-v2"), {}),
    ],
    ids=["another revision", "another name", "a longer name"],
)
async def test_an_object_with_other_services_is_in_nobody_s_way(key, others):
    store = Store()
    observe(store, ONE)
    observe(store, key, **others)

    assert (await found(store))[ONE].reason is not Reason.SEVERAL_SERIES


@pytest.mark.parametrize("check", [{"preset": "istio-error-rate"}, {"preset": "ingress-nginx-error-rate"}])
async def test_gateways_that_label_the_namespace_tell_them_apart(check):
    store = Store()
    observe(store, ONE, check=check)
    observe(store, OTHER, check=check)

    assert (await found(store))[ONE].reason is not Reason.SEVERAL_SERIES


async def test_once_the_other_object_is_gone_the_check_is_asked_again():
    store = Store()
    observe(store, ONE)
    observe(store, OTHER)
    store.forget(OTHER)

    assert (await found(store))[ONE].reason is not Reason.SEVERAL_SERIES
