"""What a workload is: it runs the pods of one revision, and says how many of them serve."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from modelramp.api.kinds import Kind
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.desired.ownership import Owner

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Running:
    """The pods of one revision, as its workload counts them.

    wanted: how many should run. available: how many can serve. trouble: what keeps pods from being made, for people.
    since: since when it has had nearly all of them, seconds since the epoch; 0 when unknown.
    over_quota: since when a quota keeps pods from being made, as `trouble` says, seconds since the epoch; 0: none does.
    made: how many exist, also those that are not to run any longer. lacking: since when it has lacked some, seconds
    since the epoch; 0 when it lacks none, or when that is not known.
    """

    wanted: int
    available: int
    trouble: str = ""
    since: int = 0
    over_quota: int = 0
    made: int = 0
    lacking: int = 0


class Workload(Protocol):
    """Runs the pods of a revision, which carry its labels; Services and endpoints follow from those."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of the objects that it makes, each under the child's name of its revision."""
        ...

    def runs(self, spec: ModelDeploymentSpec) -> bool:
        """Whether the pods of a spec are run by it."""
        ...

    def desired(
        self, owner: Owner, revision: str, template: Mapping[str, Any], replicas: int, progress_deadline: int
    ) -> tuple[dict[str, Any], ...]:
        """The objects that run one revision. template: its pod template. progress_deadline: seconds."""
        ...

    def observed(self, objects: Iterable[Object]) -> dict[str, Running]:
        """The pods by revision. objects: those of its kinds that belong to one ModelDeployment."""
        ...
