"""The content of tracked ConfigMaps: what was read of them, who needs it, and the looks for changes.

They carry no label to watch them by, and most ConfigMaps of a cluster are nobody's business here. So each namespace
that has tracked ones is looked at now and then, by a list of resourceVersions only, and what has changed is read.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from modelramp.api.errors import Gone, NoAnswer, Refused
from modelramp.api.kinds import CONFIG_MAP, Ref
from modelramp.api.names import LABEL_DEPLOYMENT, Reason
from modelramp.api.spec import Model, ModelDeploymentSpec
from modelramp.core.equality import Known
from modelramp.core.events import RolloutEvent
from modelramp.desired.config import ABSENT, MOST_OBJECTS, content_hash, key_of, needs
from modelramp.engine.fair import FairSlots
from modelramp.engine.ports import Clock, Cluster, Telemetry

User = tuple[str, str]
"""Namespace and name of a ModelDeployment."""
Name = tuple[str, str]
"""Namespace and name of a ConfigMap."""
LOOK_SECONDS = 10.0
"""Time between two looks at a namespace; longer with more than a hundred of them."""
_BETWEEN_SECONDS = 0.1
_AT_ONCE, _OF_ONE_NAMESPACE = 16, 4


@dataclass(frozen=True, slots=True)
class Content:
    """What a read has brought. value: the hash; empty when there is none. trouble: why it could not be read."""

    value: str = ""
    version: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Tracked:
    """What is tracked for a ModelDeployment. config: hashes, by what they are of; None while one is not known.

    trouble: why that is so; None when it only has to be read.
    """

    config: Mapping[str, str] | None = field(default_factory=dict)
    trouble: RolloutEvent | None = None


class Configs:
    """What is known of tracked ConfigMaps. Synchronous, in memory."""

    def __init__(self) -> None:
        self._known: dict[Name, Content] = {}
        self._users: dict[Name, set[User]] = {}
        self._named: dict[User, frozenset[str]] = {}
        self._wanted: dict[Name, None] = {}
        self._suspect: set[Name] = set()
        self.asked = asyncio.Event()
        """Set while something is to be read."""
        self.used = asyncio.Event()
        """Set while anything is tracked."""

    def follow(self, user: User, spec: ModelDeploymentSpec | None) -> Tracked:
        """The tracked content of a ModelDeployment; from now on it is told of changes."""
        names = needs(spec) if spec is not None else {}
        if len(names) > MOST_OBJECTS:
            self.leave(user)
            return Tracked(
                None,
                _unavailable(
                    f"spec.template names {len(names)} ConfigMaps, of which {MOST_OBJECTS}"
                    " can be tracked; name fewer, or remove spec.trackConfig"
                ),
            )
        for name in self._named.get(user, frozenset()) - names.keys():
            self._leave(user, (user[0], name))
        self._named[user] = frozenset(names)
        if not names:
            del self._named[user]
            return Tracked()
        self.used.set()
        config: dict[str, str] = {}
        trouble: RolloutEvent | None = None
        unknown = False
        for name, optional in sorted(names.items()):
            at = (user[0], name)
            self._users.setdefault(at, set()).add(user)
            found = self._known.get(at)
            if found is None:
                self.ask(at)
                unknown = True
            elif found.value or (optional and not found.trouble):
                config[key_of(CONFIG_MAP, name)] = found.value or ABSENT
            else:
                trouble = trouble or _unavailable(found.trouble or _missing(name))
        return Tracked(None if unknown or trouble is not None else config, trouble)

    def leave(self, user: User) -> None:
        """A ModelDeployment tracks nothing any more."""
        for name in self._named.pop(user, ()):
            self._leave(user, (user[0], name))

    def _leave(self, user: User, at: Name) -> None:
        users = self._users[at]
        users.discard(user)
        if not users:
            del self._users[at]
            self._known.pop(at, None)
            self._wanted.pop(at, None)
        if not self._users:
            self.used.clear()

    def ask(self, at: Name) -> None:
        """Have a ConfigMap read soon; until then the content that is known counts."""
        if at in self._users:
            self._wanted[at] = None
            self.asked.set()

    def suspect(self, at: Name) -> None:
        """Have a ConfigMap read again whose content is another one than is known; its users hear in any case."""
        self._suspect.add(at)
        self.ask(at)

    def take(self) -> tuple[Name, ...]:
        """What is to be read now."""
        self.asked.clear()
        names, self._wanted = tuple(self._wanted), {}
        return names

    def start_over(self) -> None:
        """Forget all content: another replica may have followed changes of it meanwhile."""
        self._known = {}
        for at in self._users:
            self.ask(at)

    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that have tracked ConfigMaps."""
        return tuple(dict.fromkeys(namespace for namespace, _ in self._users))

    def compare(self, namespace: str, versions: Mapping[str, str]) -> None:
        """Ask for what is not as it was read. versions: of all ConfigMaps of a namespace, by name."""
        for at in [at for at in self._users if at[0] == namespace]:
            known = self._known.get(at)
            if known is None or known.version != versions.get(at[1], "") or known.trouble:
                self.ask(at)

    def learn(self, at: Name, content: Content) -> tuple[User, ...]:
        """Take in what a read has brought; the users for whom it is news."""
        before = self._known.get(at)
        if at not in self._users:
            return ()
        self._known[at] = content
        same = before is not None and (before.value, before.trouble) == (content.value, content.trouble)
        if same and at not in self._suspect:
            return ()
        self._suspect.discard(at)
        return tuple(self._users[at])


def as_before(spec: ModelDeploymentSpec, revision: str, known: Iterable[Known]) -> ModelDeploymentSpec | None:
    """The spec with what a revision is made of, which was wanted before; None without a revision."""
    found = next((one for one in known if one.revision == revision), None)
    if found is not None:
        model = Model.model_validate(found.model)
        return spec.model_copy(update={"template": dict(found.template), "model": model})
    return spec if revision else None


def _missing(name: str) -> str:
    return f"ConfigMap {name} does not exist; create it, or correct spec.template"


def _unavailable(words: str) -> RolloutEvent:
    return RolloutEvent(Reason.CONFIG_UNAVAILABLE, words, warning=True)


@dataclass(slots=True)
class ConfigReader:
    """Reads tracked ConfigMaps when they are needed and when they change; namespaces do not wait for each other.

    resolve: called with the ModelDeployments that have to be aimed anew; gives those that are known.
    mark: called with the key of each when there is news.
    """

    configs: Configs
    cluster: Cluster
    telemetry: Telemetry
    clock: Clock
    resolve: Callable[[Iterable[User]], Iterator[User]]
    mark: Callable[[User], None]
    _slots: FairSlots = field(default_factory=lambda: FairSlots(_AT_ONCE, _OF_ONE_NAMESPACE))
    _tasks: dict[Name | str, asyncio.Task[None]] = field(default_factory=dict)

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_what_is_asked())
            tasks.create_task(self._look_around())

    async def stop(self) -> None:
        """Cancel what is under way."""
        tasks = tuple(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_what_is_asked(self) -> None:
        while True:
            await self.configs.asked.wait()
            for at in self.configs.take():
                self._begin(at, at[0], self._read(at))

    async def _look_around(self) -> None:
        while True:
            await self.configs.used.wait()
            namespaces = self.configs.namespaces()
            for namespace in namespaces:
                self._begin(namespace, namespace, self._look(namespace))
                await self.clock.sleep(max(_BETWEEN_SECONDS, LOOK_SECONDS / len(namespaces)))

    def _begin(self, what: Name | str, namespace: str, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside all else, unless the same is under way."""
        if what in self._tasks:
            work.close()
            return
        task = self._tasks[what] = asyncio.create_task(self._in_turn(namespace, work), name=f"config of {namespace}")
        task.add_done_callback(lambda _: self._tasks.pop(what, None))

    async def _in_turn(self, namespace: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            async with self._slots.slot(namespace):
                await work
        except NoAnswer:
            pass  # the next look asks again
        except Exception as error:  # noqa: BLE001 - a strange object of one namespace must not stop anything else
            self.telemetry.warn("a tracked ConfigMap was not read", namespace=namespace, reason=repr(error)[:256])
        finally:
            work.close()

    async def _look(self, namespace: str) -> None:
        versions: Mapping[str, str] = {}
        with suppress(Gone, Refused):  # without the right to list them each one is read
            versions = await self.cluster.list_versions(CONFIG_MAP, namespace, f"!{LABEL_DEPLOYMENT}")
        self.configs.compare(namespace, versions)

    async def _read(self, at: Name) -> None:
        try:
            found = await self.cluster.get(Ref(CONFIG_MAP, *at))
            content = Content(content_hash(found), found["metadata"].get("resourceVersion", ""))
        except Gone:
            content = Content()
        except Refused as error:
            words = f"ConfigMap {at[1]} cannot be read: {error}; grant it (manifests/operator/rbac.yaml)"
            content = Content(trouble=words)
        for user in self.resolve(self.configs.learn(at, content)):
            self.mark(user)
