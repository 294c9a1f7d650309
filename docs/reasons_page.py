"""docs/reference/reasons.md: every reason of api/names.py with what docs/reasons.yaml says of it."""  # noqa: INP001 - a script's part

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from modelramp.api.names import ConditionType, Reason

TEXTS = Path(__file__).with_name("reasons.yaml")
_NOT_CODE = {"Event", "checks", "history"}
"""Places that are named by a word; all others are conditions and fields."""
_HEAD = """# Reasons

{made}

A *reason* is one word for what is so. It stands in a condition, in a check of `status.checks`, in an entry of
`status.history` or in an Event; `status.reason` repeats the one that matters most. The sentence beside it has the
numbers. This page says of each reason what it means, what happens if nobody does anything, and what to do.
If you have been woken, begin with the [runbook](../how-to/runbook.md).

NAME and NAMESPACE are those of the ModelDeployment. Where nothing is said of what to do, there is nothing to do.
"""


def reasons_page(made: str) -> str:
    """The page. Raises ValueError when a reason lacks its text, or a text is of no reason or names no place."""
    texts = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
    problems = sorted(problems_of(texts))
    if problems:
        raise ValueError(f"docs/reasons.yaml: {'; '.join(problems)}")
    lines = [_HEAD.format(made=made)]
    lines += ["| about | reasons |", "|---|---|"]
    for section in texts["sections"]:
        links = ", ".join(f"[{name}](#{name.lower()})" for name in sorted(section["reasons"]))
        lines.append(f"| {section['title']} | {links} |")
    for section in texts["sections"]:
        lines += ["", f"## {section['title']}", "", section["says"].strip()]
        for name, told in section["reasons"].items():
            lines += ["", *_told(name, told, texts["commands"])]
    return "\n".join(lines) + "\n"


def problems_of(texts: Mapping[str, Any]) -> Iterator[str]:
    """What keeps the texts from being complete, for people."""
    names = [name for section in texts["sections"] for name in section["reasons"]]
    yield from (f"{name} has no text" for name in {reason.value for reason in Reason} - set(names))
    yield from (f"{name} is no reason" for name in set(names) - {reason.value for reason in Reason})
    yield from (f"{name} stands twice" for name in set(names) if names.count(name) > 1)
    places = {*(kind.value for kind in ConditionType), *_NOT_CODE, "status.reason"}
    for section in texts["sections"]:
        for name, told in section["reasons"].items():
            yield from (f"{name} lacks `{part}`" for part in ("at", "means") if not told.get(part))
            yield from (f"{name}: {place} is no place" for place in told.get("at", ()) if place not in places)
            yield from (f"{name}: {part} is no part" for part in told.keys() - {"at", "means", "next", "do", "run"})


def _told(name: str, told: Mapping[str, Any], commands: Mapping[str, str]) -> Iterator[str]:
    places = ", ".join(place if place in _NOT_CODE else f"`{place}`" for place in told["at"])
    yield from (f"### {name}", "", f"In {places}.", "", f"- **What it means**: {told['means'].strip()}")
    if "next" in told:
        yield f"- **What happens next**: {told['next'].strip()}"
    if "do" in told:
        yield f"- **What to do**: {told['do'].strip()}"
    if "run" in told:
        yield from ("", "```sh", *(commands.get(command, command) for command in told["run"]), "```")
