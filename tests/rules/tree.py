"""The repository's files, as the rules see them."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
_NOT_OURS = {".venv", ".git", "node_modules", "__pycache__", "dist", "build"}


@cache
def files() -> tuple[Path, ...]:
    """Every file that git tracks or would track; outside a repository, every file that is no build product."""
    command = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode == 0:
        named = [ROOT / name for name in done.stdout.split("\0") if name]
    else:
        named = [path for path in ROOT.rglob("*") if not _NOT_OURS & set(path.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in named if path.is_file()))


def under(*folders: str, suffix: str = ".py") -> list[Path]:
    return [path for path in files() if path.suffix == suffix and path.relative_to(ROOT).parts[0] in folders]


def text_of(path: Path) -> str | None:
    """The file's text; None for what is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and number of lines of every function, methods and inner ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))
