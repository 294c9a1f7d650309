"""The work whose cost has a budget. Each workload says what it did, so that a run that measured nothing is no pass."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.declared import declared, worst
from benchmarks.fleet import Healthy, Quiet
from modelramp.analysis.query_context import QueryContext
from modelramp.api.names import Phase, Reason
from modelramp.api.spec import parse_spec
from modelramp.api.verdict import CheckOutcome, TickOutcome, Verdict
from modelramp.core.decide import decide
from modelramp.core.state import Candidate, Decision, Observed, Pods, RolloutInput, State, Version
from modelramp.core.status.read import read_status, state_of
from modelramp.core.status.write import status_of
from modelramp.engine.ports import Endpoint, Sample
from modelramp.engine.queries import CheckRequest, outcomes
from modelramp.engine.reporting import CHECKPOINT_TICKS
from modelramp.engine.store import Record
from modelramp.engine.writes import worth_writing

MANY = 10_000
FEW = 100
TICK = 1_800_000_000
ROOT = Path(__file__).parents[1]
SPEC = {
    "replicas": 2,
    "model": {"name": "digits", "version": "2.0.0"},
    "template": {"spec": {"containers": [{"name": "model", "image": "digits:2"}]}},
    "routing": {"gateway": {"parentRefs": [{"name": "public"}], "hostnames": ["digits.example.com"]}},
    "health": {
        "checks": [
            {"name": "errors", "preset": "reference-error-rate"},
            {"name": "speed", "preset": "reference-p95-latency"},
        ]
    },
}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a workload. done: units of work that came out right; cost: CPU seconds, MiB or bytes."""

    done: int
    cost: float


Workload = Callable[[], Mapping[str, Run]]


def timed(name: str, work: Callable[[], int]) -> Mapping[str, Run]:
    """CPU seconds of this process for the work: other programs on the machine do not count."""
    started = time.process_time()
    done = work()
    return {name: Run(done, time.process_time() - started)}


def candidate() -> tuple[RolloutInput, State, Observed, TickOutcome]:
    """A rollout at its first step, and one more healthy tick."""
    state = State(
        phase=Phase.PROGRESSING,
        reason=Reason.STEP_RUNNING,
        stable=Version("r1", "1.0.0", TICK - 90_000, TICK - 90_000),
        candidate=Candidate(Version("r2", "2.0.0", TICK - 300, TICK - 300), 10, 0, TICK - 120),
        last_tick=TICK - 60,
    )
    pods = {"r1": Pods(2, 2, 2), "r2": Pods(2, 2, 2)}
    seen = Observed(pods=pods, served={"r1": 90, "r2": 10}, routed=True, now=TICK + 5)
    healthy = partial(CheckOutcome, verdict=Verdict.HEALTHY, reason=Reason.WITHIN_LIMIT, detail="0.1 %, limit 1 %")
    checks = tuple(healthy(name, value=0.001, limit="<= 0.01") for name in ("errors", "speed"))
    return (
        RolloutInput(parse_spec(SPEC), "r2"),
        state,
        seen,
        TickOutcome(TICK, "r2", checks, available=True, pods="2/2"),
    )


def decisions() -> Mapping[str, Run]:
    """A tick of the decision core."""
    target, state, seen, tick = candidate()

    def work() -> int:
        return sum(decide(target, state, seen, (tick,), TICK + 5).state.last_tick == TICK for _ in range(MANY))

    return timed("decide", work)


def statuses() -> Mapping[str, Run]:
    """The status of a rollout in flight after a tick, and whether to write it."""
    target, state, seen, tick = candidate()
    decision: Decision = decide(target, state, seen, (tick,), TICK + 5)
    old = status_of("digits", target, state, seen, generation=1, now=TICK - 55, before=read_status({}))
    record = Record({"metadata": {"uid": "u"}, "status": old}, state_of(read_status(old)), target)

    def work() -> int:
        written = 0
        for _ in range(MANY):
            before = read_status(record.obj["status"])
            new = status_of("digits", target, decision.state, seen, generation=1, now=TICK + 5, before=before)
            written += worth_writing(record, new, decision, TICK + 5, due=True)
        return written

    return timed("status", work)


def plans() -> Mapping[str, Run]:
    """One tick's questions of all objects: merged, asked and judged. Counts nothing unless two queries served all."""
    health = parse_spec(SPEC).health
    names = [f"m{number}" for number in range(MANY)]
    here = Endpoint("http://prometheus:9090")
    due = [
        CheckRequest(f"ml/{n}", here, health, QueryContext("ml", n, "r2", f"{n}-r2", "r1", f"{n}-r1")) for n in names
    ]
    labels = [{"namespace": "ml", "modeldeployment": n, "revision": r} for n in names for r in ("r1", "r2")]
    prometheus = Healthy(tuple(Sample(each, 0.001) for each in labels), everywhere=True)

    def work() -> int:
        found = asyncio.run(outcomes(due, TICK, prometheus, Quiet()))
        healthy = sum(all(each.verdict is Verdict.HEALTHY for each in checks) for checks in found.values())
        return healthy if prometheus.asked == 2 else 0

    return timed("plan", work)


def evaluations() -> Mapping[str, Run]:
    """10,000 evaluations of each kind of check, the first ones (with their imports) apart; no data is no evaluation."""
    found: dict[str, Run] = {}
    for name, check in declared().items():
        evaluate = check.evaluation()
        found |= timed(f"check: {name}", partial(_verdicts, evaluate))
    return found


def dearest() -> Mapping[str, Run]:
    """A hundred evaluations of each kind of check on the dearest answers that it works through."""
    found: dict[str, Run] = {}
    for name, check in worst().items():
        evaluate = check.evaluation()
        found |= timed(f"worst check: {name}", partial(_verdicts, evaluate, FEW))
    return found


def _verdicts(evaluate: Callable[[], CheckOutcome], times: int | None = None) -> int:
    times = MANY if times is None else times
    return sum(evaluate().verdict is not Verdict.NO_DATA for _ in range(times))


def started(name: str, arguments: list[str], times: int = 1) -> Mapping[str, Run]:
    """CPU seconds of a Python of its own, from start to end; the mean of so many, as the kernel counts in 10 ms."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "operator"), str(ROOT)])}
    command, quiet = [sys.executable, *arguments], subprocess.DEVNULL
    before = os.times()
    codes = [
        subprocess.run(command, env=environment, cwd=ROOT, stdout=quiet, timeout=300, check=False).returncode  # noqa: S603
        for _ in range(times)
    ]
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return {name: Run(int(not any(codes)), spent / times)}


_CONNECT = """
import contextlib, io, os, tempfile
from pathlib import Path
from modelramp.cli.main import main
CONFIG = '''
clusters: [{name: c, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: here, context: {cluster: c, user: u}}]
current-context: here
'''
with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
    os.environ["KUBECONFIG"] = folder + "/config"
    Path(os.environ["KUBECONFIG"]).write_text(CONFIG)
    try:
        main(["status", "digits"])
    except SystemExit as ended:
        assert ended.code == 5
"""
"""A verb up to its first request, which nobody answers."""


def imports() -> Mapping[str, Run]:
    """What every start of the operator and every call of the command line pays."""
    return {
        **started("bare Python", ["-c", "pass"], times=20),
        **started("import modelramp.operator", ["-c", "import modelramp.operator"]),
        **started("modelramp --help", ["-m", "modelramp.cli.main", "--help"]),
        **started("modelramp TAB", ["-m", "modelramp.cli.main", "completion", "answer", "--", "status", "--w"]),
        **started("modelramp VERB", ["-c", _CONNECT]),
    }


def fleet(size: int = MANY) -> Mapping[str, Run]:
    """The engine with so many objects, in a process of its own: memory, start, and the CPU of one minute."""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "benchmarks.fleet", str(size)], cwd=ROOT, capture_output=True, timeout=1_800, check=True
    )
    found = json.loads(done.stdout)
    in_turns = found["writes"] <= 2 * size // CHECKPOINT_TICKS  # at rest, one report in CHECKPOINT_TICKS ticks
    right = found["healthy"] if found["records"] == size and in_turns and not found["warnings"] else 0
    return {
        "engine: memory": Run(right, found["memory_mib"]),
        "engine: memory per object": Run(right, found["memory_mib"] * 2**20 / size),
        "engine: start": Run(right, found["start_seconds"]),
        "engine: tick": Run(right if found["queries"] > 0 else 0, found["tick_seconds"]),
    }


def answer() -> Mapping[str, Run]:
    """How long the largest answer of a Prometheus holds the event loop, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.answer"], cwd=ROOT, capture_output=True, timeout=300, check=True
    )
    found = json.loads(done.stdout)
    return {"answer: event loop held": Run(found["healthy"], found["held_seconds"])}


WORKLOADS: Mapping[str, Workload] = {
    "decide": decisions,
    "status": statuses,
    "plan": plans,
    "checks": evaluations,
    "worst checks": dearest,
    "imports": imports,
    "engine": fleet,
    "answer": answer,
}
