from modelramp.desired.ownership import owned_by, owner_of
from modelramp.desired.revision import Snapshot, controller_revision, snapshot_of, snapshots_of
from modelramp.desired.workloads.deployment import deployment, pod_template
from tests.unit.desired.world import CANDIDATE, OWNER, STABLE, made, of_kind, seen, state, target

LABELS = {"modelramp.io/deployment": "digits", "modelramp.io/revision": STABLE}


def test_every_child_is_ours_and_carries_nothing_that_a_gitops_tool_tracks():
    wanted = made(state(STABLE, CANDIDATE, 10), seen=seen(STABLE, CANDIDATE))
    objects = (*wanted.apply, *wanted.routes)
    assert len(objects) == 7
    for obj in objects:
        assert owned_by(obj, OWNER)
        (reference,) = obj["metadata"]["ownerReferences"]
        assert reference["blockOwnerDeletion"] is True
        assert reference["kind"] == "ModelDeployment"
        assert "app.kubernetes.io/instance" not in obj["metadata"]["labels"]
        assert not any("argocd" in key or "fluxcd" in key for key in obj["metadata"].get("annotations", {}))


def test_the_owner_is_read_from_the_model_deployment():
    assert owner_of({"metadata": {"namespace": "ml", "name": "digits", "uid": "uid-1"}}) == OWNER


def test_the_users_template_is_kept_and_only_the_two_labels_are_ours():
    user = {
        "metadata": {
            "labels": {"app.kubernetes.io/instance": "team", "modelramp.io/revision": "forged"},
            "annotations": {"prometheus.io/scrape": "true"},
        },
        "spec": {"containers": [{"name": "model", "image": "digits:1"}]},
    }
    made_of = pod_template(OWNER, STABLE, user)
    assert made_of["metadata"]["labels"] == {"app.kubernetes.io/instance": "team", **LABELS}
    assert made_of["metadata"]["annotations"] == {"prometheus.io/scrape": "true"}
    assert made_of["spec"] == user["spec"]
    assert user["metadata"]["labels"]["modelramp.io/revision"] == "forged", "the user's template is not written to"


def test_a_deployment_keeps_no_history_and_never_falls_below_its_capacity():
    spec = deployment(OWNER, STABLE, {"spec": {}}, replicas=3, progress_deadline=600)["spec"]
    assert spec["replicas"] == 3
    assert spec["revisionHistoryLimit"] == 0
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}
    assert spec["selector"] == {"matchLabels": LABELS}
    assert LABELS.items() <= spec["template"]["metadata"]["labels"].items()


def test_a_service_selects_exactly_one_revision():
    wanted = made(state(STABLE, CANDIDATE), target=target(service={"port": 8000, "targetPort": "web"}))
    spec = of_kind(wanted, "Service")[f"digits-{CANDIDATE}"]["spec"]
    assert spec["selector"] == {**LABELS, "modelramp.io/revision": CANDIDATE}
    assert spec["ports"] == [{"name": "http", "protocol": "TCP", "port": 8000, "targetPort": "web"}]


def test_a_snapshot_survives_its_controller_revision():
    for port in (8080, "http", None):
        whole = Snapshot({"spec": {"containers": []}}, {"name": "digits", "version": "1"}, 7, port)
        assert snapshot_of(controller_revision(OWNER, STABLE, whole)) == whole


def test_snapshots_of_other_owners_are_not_read():
    mine = controller_revision(OWNER, STABLE, Snapshot({}, {}, 1))
    stolen = controller_revision(OWNER, CANDIDATE, Snapshot({}, {}, 2))
    stolen["metadata"]["ownerReferences"][0]["uid"] = "uid-0"
    assert snapshots_of(OWNER, [mine, stolen]).keys() == {STABLE}


def test_snapshots_that_were_orphaned_are_still_known():
    left = controller_revision(OWNER, STABLE, Snapshot({}, {}, 1))
    del left["metadata"]["ownerReferences"]
    assert snapshots_of(OWNER, [left]).keys() == {STABLE}
    left["metadata"]["labels"]["modelramp.io/deployment"] = "other"
    assert snapshots_of(OWNER, [left]) == {}
