"""A simulated world around the real engine: one seed gives one history, whatever goes wrong in it."""

import asyncio
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelramp.api.kinds import MODEL_DEPLOYMENT, Kind, Ref
from modelramp.api.names import LABEL_DEPLOYMENT
from modelramp.engine.ports import Delivery, WebhookCall
from tests.sim.apiserver import FIRST_VERSION, ApiServer, Change, ref_of
from tests.sim.clock import EPOCH, MachineClock, VirtualLoop, run_virtually
from tests.sim.faults import Fault, FaultPlan
from tests.sim.garbage import GarbageCollector
from tests.sim.gateway import Gateway, Traffic
from tests.sim.jobs import JobController
from tests.sim.kubelet import Kubelet, Pods
from tests.sim.member import USER, Member
from tests.sim.ports import ALWAYS_TAKEN
from tests.sim.process import OWNER, Process, owned_task
from tests.sim.prometheus import ScriptedPrometheus, Scripts
from tests.sim.streams import DIGITS, Key, key_of

POLICY_KINDS = {"HealthPolicy", "ClusterHealthPolicy"}
TRACE_LINES = 80
RESTART_SECONDS_MAX = 260.0
"""The longest time from a crash to the next start: some ticks are missed then."""
_STEP_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a person does, not before some time and not before something holds."""

    seconds: float
    action: Callable[["World"], None]
    when: Callable[["World"], bool]


class World:
    """Everything that the operator can see, and the operator.

    seed: of every delay. faults: call number -> fault. operators: how many run side by side.
    scripts, pods: of the usual object, `digits` in `ml`: what Prometheus says of each model version, and how its pods
    behave. Further objects are members as well. version: resourceVersion of the world's first change, less one.
    apart: each kind is watched by itself. options: of the engine, beside the usual.
    elected: the operators have a Lease, of which one of them is the leader.
    """

    def __init__(
        self,
        seed: int,
        *,
        fault: Fault | None = None,
        at_call: int = 0,
        faults: Mapping[int, Fault] | None = None,
        scripts: Scripts | None = None,
        pods: Mapping[str, Pods] | None = None,
        operators: int = 1,
        interval: int = 60,
        version: int = FIRST_VERSION,
        apart: bool = False,
        options: Mapping[str, Any] | None = None,
        elected: bool = False,
    ) -> None:
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        self.loop = VirtualLoop()
        self.loop.set_task_factory(owned_task)
        plan = dict(faults or {}) | ({at_call: fault} if fault is not None else {})
        self.interval = interval
        self.apart = apart
        self.options = dict(options or {})
        self.elected = elected
        self.skews: dict[int, float] = {}
        """How wrong the clocks of the machines are from the start, seconds, by the number of the operator."""
        self.late_kinds: dict[str, float] = {}
        self.slow_lists = 0.0
        self.slow_writes: dict[str, float] = {}
        """Seconds that a write takes, by namespace or kind."""
        self.slow_receivers: dict[str, float] = {}
        self.restart_after: float | None = None
        self.faults = FaultPlan(plan)
        self.disturbed_at = -1.0e9
        self.blame_late_routes = False
        self.outages: dict[str, float] = {}
        self.api_skew = 0.0
        self.events: list[tuple[float, str, str, bool]] = []
        self.called: list[WebhookCall] = []
        self.receiver: Iterator[Delivery] = ALWAYS_TAKEN
        self.slow_receiver = 0.0
        self.broken: list[str] = []
        self.processes: list[Process] = []
        self._lines: list[str] = []
        self._operators = operators
        self._plans: list[Plan] = []
        self.members: dict[Key, Member] = {}
        self.api = ApiServer(self.now, version)
        self.api.listeners.append(self._changed)
        self.prometheus = ScriptedPrometheus(self.now, self.members, interval, self.random.random())
        self.kubelet = Kubelet(self)
        self.gateways = Gateway(self)
        self.garbage = GarbageCollector(self)
        self.jobs = JobController(self)
        self.usual = self.add(DIGITS, scripts, pods)

    # time

    def now(self) -> float:
        """The true wall time, seconds since the epoch."""
        return EPOCH + self.loop.time()

    def later(self, seconds: float, action: Callable[[], Any]) -> None:
        """Do something after that time, outside of every process."""
        self.loop.call_later(max(seconds, 0.0), action)

    def at(
        self, seconds: float, action: Callable[["World"], None], *, when: Callable[["World"], bool] = lambda _: True
    ) -> "World":
        """Plan what a person does: after what was planned before it, not earlier than `seconds`, and when `when` holds.

        seconds: since the beginning.
        """
        self._plans.append(Plan(seconds, action, when))
        return self

    # people

    def add(
        self,
        key: Key,
        scripts: Scripts | None = None,
        pods: Mapping[str, Pods] | None = None,
        *,
        checked: bool = True,
    ) -> Member:
        """Another ModelDeployment, to be applied later. See Member."""
        if not self.api.find("Gateway", key[0], "public"):
            gateway = {"kind": "Gateway", "metadata": {"namespace": key[0], "name": "public"}, "spec": {}}
            self.api.create(gateway, USER)
        self.members[key] = Member(self, key, scripts, pods, checked=checked)
        return self.members[key]

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """kubectl apply of a ModelDeployment."""
        self.members[key_of(manifest)].apply(manifest)

    def delete(self, *, orphan: bool = False) -> None:
        """kubectl delete of the usual ModelDeployment; orphan: as with --cascade=orphan."""
        self.usual.delete(orphan=orphan)

    def request(self, verb: str, to: str = "") -> None:
        """A person's command about the usual ModelDeployment."""
        self.usual.request(verb, to)

    def meddle(self, change: Callable[["World"], None]) -> None:
        """Somebody changes what belongs to the operator."""
        self.trace("somebody meddles")
        self.disturbed_at = self.now()
        change(self)

    @staticmethod
    def ref(obj: Mapping[str, Any]) -> Ref:
        """The reference that names an object."""
        return ref_of(Kind("", obj["kind"], obj["kind"].lower()), obj)

    # what became of it

    @property
    def digits(self) -> dict[str, Any]:
        """The usual ModelDeployment as it is now; {} when there is none."""
        return self.usual.obj

    @property
    def status(self) -> dict[str, Any]:
        """Its status."""
        return self.usual.status

    @property
    def gateway(self) -> Traffic:
        """Its traffic."""
        return self.usual.gateway

    def serving(self) -> dict[str, int]:
        """The weight of each of its model versions at the gateway now."""
        return self.usual.serving()

    def writer(self) -> Process | None:
        """The process of the operator whose code runs now."""
        return OWNER.get()

    def key_at(self, ref: Ref) -> Key:
        """The ModelDeployment that an object belongs to by its label, or else by its name."""
        found = None if ref.kind == MODEL_DEPLOYMENT else self.api.find(ref.kind.kind, ref.namespace, ref.name)
        if found is not None and LABEL_DEPLOYMENT in found["metadata"].get("labels", {}):
            return key_of(found)
        names = (
            name
            for namespace, name in self.members
            if namespace == ref.namespace and f"{ref.name}-".startswith(f"{name}-")
        )
        return ref.namespace, max(names, key=len, default="")

    def blindness(self) -> float:
        """Seconds for which the writing process may have heard nothing of the cluster."""
        return max((process.watch.blind_for(self.now()) for process in self.processes if process.alive), default=0.0)

    @property
    def fault_fired(self) -> bool:
        """Whether a planned fault happened."""
        return bool(self.faults.fired)

    def trace(self, line: str) -> None:
        """Remember a line for the day on which this world breaks a promise."""
        self._lines.append(f"{self.loop.time():9.3f} {line}")

    @property
    def history(self) -> tuple[str, ...]:
        """Every line of the trace."""
        return tuple(self._lines)

    def broke(self, promise: str, how: str) -> None:
        """Note a broken promise."""
        self.trace(f"BROKEN: {promise}: {how}")
        self.broken.append(f"at {self.loop.time():.1f} s: {promise}: {how}")

    def promised_version(self, sent: Mapping[str, Any]) -> None:
        """A status that is to be written speaks of the object whose resourceVersion it carries."""
        version, said = sent["metadata"].get("resourceVersion"), sent.get("status", {}).get("observedGeneration")
        for change in reversed(self.api.log):
            if str(change.version) == version and change.kind == sent["kind"] and said is not None:
                if change.obj["metadata"]["generation"] != said:
                    how = f"a status of generation {said} carries version {version} of another generation"
                    self.broke("6 (who has not seen the newest version writes nothing)", how)
                return

    def promised_leader(self, writer: Process, what: str) -> None:
        """A write takes effect: nobody but the writer may lead now."""
        others = [process.name for process in self.processes if process is not writer and process.alive]
        leading = [process.name for process in self.processes if process.name in others and process.leads]
        if self.elected and leading:
            how = f"{writer.name} writes while {', '.join(leading)} leads: {what}"
            self.broke("6 (who is not the leader writes nothing)", how)

    def leader(self) -> Process | None:
        """The process that leads, if one does."""
        return next((process for process in self.processes if process.alive and process.leads), None)

    def check_promises(self) -> None:
        """Raise AssertionError with the seed, the faults and the trace if any promise was broken."""
        if self.broken:
            raise AssertionError(f"{self.broken[0]}\n{self.story()}")

    def story(self) -> str:
        """How to see it again, and the end of the trace."""
        fired = "; ".join(f"{call.number}: Fault.{fault.name} ({call})" for fault, call in self.faults.fired)
        return f"seed={self.seed} faults={{{fired or 'none'}}}\n" + "\n".join(self._lines[-TRACE_LINES:])

    # running

    def run(self, minutes: float) -> "World":
        """Let that much virtual time pass."""
        return self.run_until(lambda _: False, minutes)

    def run_until(self, done: Callable[["World"], bool], minutes: float) -> "World":
        """Let time pass until `done` holds or a promise is broken, but at most so many minutes."""
        run_virtually(self._live(done, minutes * 60), self.loop)
        return self

    def died(self, process: Process) -> None:
        """A process crashed; another one takes its place some time later."""
        self.trace(f"{process.name} died")
        if self.restart_after is not None:
            self.later(self.restart_after, lambda: self._replace(process))
            return
        chance = random.Random(f"{self.seed} {self.faults.calls}")  # noqa: S311 - another pause after every call
        self.later(
            chance.choice((1.0, 10.0, 70.0, RESTART_SECONDS_MAX)) * chance.random(), lambda: self._replace(process)
        )

    def restart(self, seconds: float = 1.0) -> None:
        """Every process dies now; another takes its place after so many seconds."""
        self.restart_after = seconds
        for process in [process for process in self.processes if process.alive]:
            process.crash()
        self.restart_after = None

    async def _live(self, done: Callable[["World"], bool], seconds: float) -> None:
        for number in range(self._operators):
            machine = MachineClock(self.loop)
            machine.skew = self.skews.get(number, 0.0)
            self._start(machine)
        looked_at = 0
        while self.loop.time() < seconds and not self.broken:
            while self._plans and self.loop.time() >= self._plans[0].seconds and self._plans[0].when(self):
                self._plans.pop(0).action(self)
            await asyncio.sleep(_STEP_SECONDS)
            if not self._plans and len(self._lines) != looked_at:
                looked_at = len(self._lines)
                if done(self):
                    break

    def _start(self, machine: MachineClock) -> None:
        process = Process(self, len(self.processes) + 1, machine)
        self.processes.append(process)
        self.trace(f"{process.name} starts")
        process.start()

    def _replace(self, dead: Process) -> None:
        left = [task.get_name() for task in dead.tasks if not task.done()]
        if left:
            self.broke("a stopped engine leaves no task behind", ", ".join(left))
        self._start(dead.machine)

    def _changed(self, change: Change) -> None:
        metadata = change.obj["metadata"]
        namespace = metadata.get("namespace", "")
        where = "" if namespace == DIGITS[0] else f"{namespace}/"
        self.trace(f"  {change.type} {change.kind} {where}{metadata['name']} v{change.version} by {change.actor}")
        for process in self.processes:
            process.watch.wake()
        for member in self._concerned(change):
            member.changed(change)

    def _concerned(self, change: Change) -> tuple[Member, ...]:
        """The objects of which a change may say something: an HTTPRoute counts by its name, a child by its label."""
        namespace, name = key_of(change.obj)
        if change.kind == "HTTPRoute":
            name = change.obj["metadata"]["name"]
        if name:
            member = self.members.get((namespace, name))
            return (member,) if member is not None else ()
        everywhere = change.kind == "ClusterHealthPolicy"
        return tuple(member for key, member in self.members.items() if everywhere or key[0] == namespace)
