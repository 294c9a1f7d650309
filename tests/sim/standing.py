"""Slow truth: the last answer of a check that is not asked at every tick stands, through restarts as well."""

from collections.abc import Iterator

from modelramp.api.names import FIELD_MANAGER
from tests.sim.apiserver import Change
from tests.sim.checker import Checker, Json
from tests.sim.oracle import seconds


class Standing(Checker):
    """While the same is asked of the same revision, an answer gives way to a later one only."""

    promise = "the last answer of a slow check stands until it is asked again"

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind != "ModelDeployment" or change.actor != FIELD_MANAGER or change.type != "MODIFIED":
            return
        old, new = (change.before or {}).get("status", {}), change.obj["status"]
        if _subject(old) != _subject(new) or (change.before or {}).get("spec") != change.obj["spec"]:
            return
        now = {check["name"]: check for check in new.get("checks", ())}
        written = {check["name"] for check in change.obj["spec"]["health"]["checks"]}  # a policy may have changed
        for before in old.get("checks", ()):
            after, asked_of = now.get(before["name"]), before.get("question", "").partition("/")[0]
            if asked_of != _subject(new) or before["name"] not in written or after is None:
                continue
            if after.get("reason") == "WarmingUp":
                continue
            if seconds(after.get("at")) < seconds(before["at"]):
                yield f"{before['name']} was answered at {before['at']}, and now at {after.get('at')}"
            elif after["at"] == before["at"] and after["verdict"] != before["verdict"] and not _young(before):
                yield f"{before['name']} said {before['verdict']} at {before['at']}, and now {after['verdict']}"


def _young(check: Json) -> bool:
    return bool(check["reason"] == "WarmingUp")


def _subject(status: Json) -> object:
    candidate = status.get("candidate") or {}
    return candidate["revision"] if candidate.get("step", -1) >= 0 else (status.get("stable") or {}).get("revision")
