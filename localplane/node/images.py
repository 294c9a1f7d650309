"""The image catalogue: which local command an image name stands for."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parent.parent.parent
BUILT_IN = Path(__file__).parent.parent / "images.yaml"


@dataclass(frozen=True, slots=True)
class Image:
    """What a container of this image runs unless its spec says otherwise."""

    name: str
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = str(REPOSITORY)

    def command(self, container: dict[str, Any]) -> list[str]:
        """Return the command line for a container.

        `command` replaces the entrypoint *and* the image's arguments, `args` only the arguments: Kubernetes' rule.
        """
        entrypoint = container.get("command")
        arguments = container.get("args")
        if entrypoint:
            return [*entrypoint, *(arguments or [])]
        return [*self.entrypoint, *(arguments if arguments is not None else self.cmd)]


def find_image(name: str, files: Sequence[Path]) -> Image | None:
    """Return what the first matching entry says, looking through `files` in order; None for an unknown image.

    The files are read anew each time, so an image can be added while the plane runs: its pods then leave
    ImagePullBackOff by themselves, as they would once somebody pushes the image.
    """
    tagged = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    for path in files:
        for entry in yaml.safe_load(path.read_text()).get("images", []):
            if fnmatchcase(tagged, entry["image"]):
                return _image(tagged, entry)
    return None


def _image(name: str, entry: dict[str, Any]) -> Image:
    values = {
        "{python}": sys.executable,
        "{repository}": str(REPOSITORY),
        "{image}": name,
        "{tag}": name.rpartition(":")[2],
    }

    def filled(text: str) -> str:
        for variable, value in values.items():
            text = text.replace(variable, value)
        return text

    return Image(
        name=name,
        entrypoint=tuple(filled(word) for word in entry.get("entrypoint", ())),
        cmd=tuple(filled(word) for word in entry.get("cmd", ())),
        environment={key: filled(str(value)) for key, value in entry.get("environment", {}).items()},
        workdir=filled(entry.get("workdir", "{repository}")),
    )
