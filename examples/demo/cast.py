"""Who plays: the five versions as their manifests describe them, and the rules of the rollout that they ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from examples.demo.errors import DemoError
from modelramp.api.errors import ModelrampError
from modelramp.api.spec import ModelDeploymentSpec, parse_spec
from modelramp.core.strategies.registry import stages_of

MANIFESTS = Path(__file__).parent.parent / "manifests"
FILES = ("digits-v1.yaml", "digits-v2.yaml", "digits-v3.yaml", "digits-v4.yaml", "digits-v5.yaml")


@dataclass(frozen=True, slots=True)
class Failing:
    """A version that must be caught.

    place: of the version, from 0. what: what is wrong with it. check: the one that must catch it, alone.
    steps: how many steps it may reach until then.
    """

    place: int
    version: str
    what: str
    check: str
    steps: int


_FAULTS = (
    ("answers fast, with 200, and wrongly", "accuracy", 1),
    ("is mostly right, and suddenly unsure", "confidence", 1),
    # A tenth of the traffic holds too few phones to prove anything.
    ("is sure and right, but not on phones", "fairness", 3),
)
"""Of the third version and those after it: what is wrong, the check that sees it, and the steps until it can."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the manifests ask for.

    steps: weights in percent. step_seconds: least time at each. interval: seconds between ticks.
    threshold: breaches in a row that roll back.
    """

    steps: tuple[int, ...]
    step_seconds: tuple[int, ...]
    interval: int
    threshold: int


@dataclass(frozen=True, slots=True)
class Cast:
    """The ModelDeployment, its versions in order of appearance, and the rules.

    files: the manifest of each version. versions: spec.model.version of each. host: the name that clients ask for.
    gateway: namespace and name of the Gateway that the route hangs on.
    """

    name: str
    namespace: str
    host: str
    gateway: tuple[str, str]
    files: tuple[Path, ...]
    versions: tuple[str, ...]
    rules: Rules

    @property
    def good(self) -> str:
        """The version that is promoted, and serves to the end."""
        return self.versions[1]

    @property
    def failing(self) -> tuple[Failing, ...]:
        """The versions after the good one, which must be caught."""
        return tuple(Failing(place, self.versions[place], *fault) for place, fault in enumerate(_FAULTS, 2))


def read_cast(folder: Path = MANIFESTS) -> Cast:
    """Read digits-v1.yaml to digits-v5.yaml; raises DemoError when they do not make a demo."""
    files = tuple(folder / name for name in FILES)
    documents = [_read(path) for path in files]
    try:
        specs = [parse_spec(document["spec"]) for document in documents]
    except (ModelrampError, KeyError) as error:
        raise DemoError(f"{folder}: not five valid ModelDeployments: {error}") from error
    places = {(document["metadata"]["name"], document["metadata"]["namespace"]) for document in documents}
    versions = tuple(spec.model.version for spec in specs)
    if len(places) != 1 or len(set(versions)) != len(FILES):
        raise DemoError(
            f"{folder}: found {sorted(places)} in versions {versions}; wished: one ModelDeployment in five versions"
        )
    ((name, namespace),) = places
    gateway = specs[0].routing.gateway
    parent = gateway.parent_refs[0]
    return Cast(
        name=name,
        namespace=namespace,
        host=gateway.hostnames[0],
        gateway=(parent.namespace or namespace, parent.name),
        files=files,
        versions=versions,
        rules=_rules(specs[1]),
    )


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise DemoError(f"{path}: cannot be read: {error}") from error


def _rules(spec: ModelDeploymentSpec) -> Rules:
    return Rules(
        steps=tuple(step.weight for step in spec.rollout.steps),
        step_seconds=tuple(stage.duration for stage in stages_of(spec.rollout)),
        interval=spec.health.interval,
        threshold=spec.health.failure_threshold,
    )
