"""What programs may trust in a status: the rules of kstatus and of the Kubernetes API conventions, numbered.

`check(status)` says which are broken; tests of the core, of the simulation and of the real plane all ask it.
Sources: sigs.k8s.io/cli-utils pkg/kstatus (generic conditions), the API conventions on conditions, and docs/concepts.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

ALWAYS = ("Ready",)
ABNORMAL = ("Reconciling", "Stalled")
QUIET = ("Ready", "Available", "Healthy", "Routed", "Reconciling", "Stalled")
_MEASURED = re.compile(r"(?<![\w.-])\d+\.\d+ ?(?:%|s|ms|/s)?(?![\w.-])|\d ?%|\bNaN\b|\bInf\b")
_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def check(status: Mapping[str, Any]) -> list[str]:
    """Broken rules, one sentence each; empty when a program can trust the status."""
    found = {one["type"]: one for one in status.get("conditions", ())}
    return [
        *_1_ready_is_always_there(found),
        *_2_never_reconciling_and_stalled(found),
        *_3_removed_when_false(found),
        *_4_ready_excludes_both(found),
        *_5_not_ready_says_which(found),
        *_6_every_condition_names_its_generation(status),
        *_7_types_are_unique(status),
        *_8_each_is_complete(status),
        *_9_no_measured_values(status),
    ]


def verdict(status: Mapping[str, Any], generation: int) -> str:
    """Current, InProgress or Failed, as kstatus computes it for a custom resource."""
    if status.get("observedGeneration", generation) != generation:
        return "InProgress"
    for one in status.get("conditions", ()):
        if one["type"] in ABNORMAL and one["status"] == "True":
            return "InProgress" if one["type"] == "Reconciling" else "Failed"
    ready = {one["type"]: one["status"] for one in status.get("conditions", ())}.get("Ready")
    return "InProgress" if ready in ("False", "Unknown") else "Current"


Conditions = Mapping[str, Mapping[str, Any]]


def _1_ready_is_always_there(found: Conditions) -> Iterator[str]:
    # Without any known condition kstatus takes an object for Current.
    yield from (f"1: {kind} is missing" for kind in ALWAYS if kind not in found)


def _2_never_reconciling_and_stalled(found: Conditions) -> Iterator[str]:
    if all(found.get(kind, {}).get("status") == "True" for kind in ABNORMAL):
        yield "2: Reconciling and Stalled are both True; kstatus takes the first in the list"


def _3_removed_when_false(found: Conditions) -> Iterator[str]:
    for kind in ABNORMAL:
        if kind in found and found[kind]["status"] != "True":
            yield f"3: {kind} is {found[kind]['status']}; it must be removed instead"


def _4_ready_excludes_both(found: Conditions) -> Iterator[str]:
    for kind in ABNORMAL:
        if kind in found and found.get("Ready", {}).get("status") == "True":
            yield f"4: Ready and {kind} are both True"


def _5_not_ready_says_which(found: Conditions) -> Iterator[str]:
    if found.get("Ready", {}).get("status") == "False" and not any(kind in found for kind in ABNORMAL):
        yield "5: Ready is False, and neither Reconciling nor Stalled says whether that will pass"


def _6_every_condition_names_its_generation(status: Mapping[str, Any]) -> Iterator[str]:
    generation = status.get("observedGeneration")
    if generation is None:
        yield "6: observedGeneration is missing"
    for one in status.get("conditions", ()):
        if one.get("observedGeneration") != generation:
            yield f"6: {one['type']} speaks of generation {one.get('observedGeneration')}, the status of {generation}"


def _7_types_are_unique(status: Mapping[str, Any]) -> Iterator[str]:
    kinds = [one["type"] for one in status.get("conditions", ())]
    yield from (f"7: {kind} stands there twice" for kind in sorted(set(kinds)) if kinds.count(kind) > 1)


def _8_each_is_complete(status: Mapping[str, Any]) -> Iterator[str]:
    for one in status.get("conditions", ()):
        if one.get("status") not in ("True", "False", "Unknown"):
            yield f"8: {one['type']} has the status {one.get('status')!r}"
        if not _REASON.fullmatch(one.get("reason", "")):
            yield f"8: {one['type']} has the reason {one.get('reason')!r}"
        if not _TIME.fullmatch(one.get("lastTransitionTime", "")):
            yield f"8: {one['type']} has the transition time {one.get('lastTransitionTime')!r}"
        if not one.get("message"):
            yield f"8: {one['type']} has no message"


def _9_no_measured_values(status: Mapping[str, Any]) -> Iterator[str]:
    # A number that moves every minute would make every tick a write, and every write a notification. How a rollout
    # ended (status.detail) does not move any more.
    versions = {str((status.get(role) or {}).get("modelVersion", "")) for role in ("stable", "candidate", "previous")}
    for one in status.get("conditions", ()):
        message = one.get("message", "").replace(status.get("detail") or "\0", "")
        for version in sorted(versions - {""}, key=len, reverse=True):
            message = message.replace(version, "")
        if one["type"] in QUIET and _MEASURED.search(message):
            yield f"9: {one['type']} carries a measured value: {one['message']}"
