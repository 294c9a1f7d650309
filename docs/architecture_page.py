"""Makes docs/architecture.md: two pictures labelled by docstrings, and the packages in import order."""  # noqa: INP001

import importlib
import inspect
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

from modelramp.api.kinds import Kind
from modelramp.desired.routers import route_kinds
from modelramp.desired.workloads import workload_kinds

ROOT = Path(__file__).parents[1]
HEAD = """# Architecture

{made}

From a change in the cluster to a write in five minutes. [CONTRIBUTING](../CONTRIBUTING.md) says how to add a router,
a workload, a strategy, a check kind, a gate, a channel or a command; [decisions](decisions/README.md) say why.

## From a spec to the traffic

The operator keeps no state of its own. Everything that it has decided is in the resource's `status`; everything else
follows from the status and can be written again at any time.

```mermaid
flowchart TD
    spec["ModelDeployment: spec"]
    status["ModelDeployment: status"]
    workload["{workloads}"]
    route["{routes}"]
{objects}
```

## One tick

Each object takes this path by itself: it waits neither for the answers nor for the writes of another object. A due
check enters at the top, a watch event at `Work.mark`.

```mermaid
flowchart TD
{tick}
```

What happens when something fails on the way:

| where | what happens |
|---|---|
| a query has no answer at the deadline | the check has no data at this tick: no breach, no promotion |
| judging raises | the check has no data with reason `CheckFailed`; the other checks of the object count |
| the status write meets a conflict | the object is read again and decided again; nothing else was written yet |
| the process dies between two writes | the next one derives the missing writes from the status |
| another replica may hold the Lease | no write is sent; this one follows, the other one replays the ticks |

## Packages

Imports go one way, from the top of this table to the bottom; `import-linter` checks it in `make check`. `api`, `core`,
`analysis` and `desired` are pure: they do no I/O and read no clock, so that tests can run any history through them.

| package | what it holds |
|---|---|
{packages}
"""

TICK = (
    "engine.ticker.Ticker.due",
    "engine.questions.Questions.ask",
    "engine.queries.judged",
    "engine.reconciler.Reconciler.take_in",
    "engine.work.Work.mark",
    "engine.reconciler.Reconciler.prepare",
    "engine.observe.observe",
    "core.decide.decide",
    "engine.reconciler.Reconciler.carry_out",
    "engine.writes.Writer.status",
    "desired.objects.desired",
    "engine.writes.Writer.children",
    "engine.ports.Channel.deliver",
)
"""The functions that one object passes through at a tick, in order."""
OBJECTS = (
    ("spec", "core.revisions.revision_of", "status"),
    ("spec", "desired.revision.controller_revision", "ControllerRevision"),
    ("status", "desired.workloads.protocol.Workload.desired", "workload"),
    ("status", "desired.objects.service", "Service"),
    ("status", "desired.routers.protocol.Router.desired", "route"),
)
"""From what, by which function, which object is made."""


def architecture_page(made: str) -> str:
    """docs/architecture.md. made: the comment that says where the page comes from. Raises when a function is gone."""
    return HEAD.format(
        made=made,
        workloads=_kinds(workload_kinds()),
        routes=_kinds(route_kinds()),
        objects=_objects(),
        tick=_tick(),
        packages=_packages(),
    )


def _kinds(kinds: Iterable[Kind]) -> str:
    return " or ".join(kind.kind for kind in kinds)


def _objects() -> str:
    lines = [f'    {start} -- "{_code(name)}" --> {end}' for start, name, end in OBJECTS]
    return "\n".join(lines)


def _tick() -> str:
    boxes = [f'    n{number}["<b>{_code(name)}</b><br/>{_says(name)}"]' for number, name in enumerate(TICK)]
    return "\n".join([*boxes, "    " + " --> ".join(f"n{number}" for number in range(len(TICK)))])


def _code(name: str) -> str:
    """A function's name as a reader meets it: its class, if it has one, and its module."""
    _found(name)
    return ".".join(name.split(".")[1:])


def _found(name: str) -> object:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(("modelramp", *parts[:length])))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise LookupError(name)


def _says(name: str) -> str:
    """The first sentence of a docstring."""
    text = " ".join((inspect.getdoc(_found(name)) or "").split())
    return re.split(r"(?<=[.:;]) ", text)[0].rstrip(".:;").replace('"', "'").replace("`", "")


def _packages() -> str:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers")
    names = [name.strip() for layer in layers for name in layer.split("|")]
    return "\n".join(f"| `{name.removeprefix('modelramp.')}` | {_first_line(name)} |" for name in names)


def _first_line(module: str) -> str:
    return (inspect.getdoc(importlib.import_module(module)) or "").splitlines()[0].rstrip(".")
