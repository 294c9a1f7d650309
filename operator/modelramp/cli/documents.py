"""YAML documents with the line of every field, read as kubectl reads them (YAML 1.1 as in Go)."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

MOST_NODES = 100_000
MOST_DEPTH = 100
"""More nodes and levels than any manifest has: exploding aliases must not fill the memory."""
MOST_CHARACTERS = 2_000_000
"""Most characters of a file; parsing that many takes about five seconds."""
_TOO_DEEP = f"nests more than {MOST_DEPTH} levels deep; no manifest does"
_WITHOUT_END = "aliases unfold without end"


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document, or an object in a list.

    lines: of each path, counted from 1. repeated: keys that are written twice. texts: what stands in the file for
    values that are no text, by path. at: where the object stands in the document; empty for the document itself.
    """

    value: Any
    lines: Mapping[str, int]
    repeated: tuple[tuple[str, int], ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    at: str = ""

    def line_of(self, path: str) -> int:
        """Line of a path such as spec.health.checks[0].max, or of the nearest parent that is written."""
        path = self._whole(path)
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, 1)

    def text_of(self, path: str) -> str | None:
        """The number, the truth value or the null at a path as it is written; None for anything else."""
        return self.texts.get(self._whole(path))

    def objects(self) -> "Iterator[Document]":
        """The objects of a list (kind List, ModelDeploymentList and so on), or the document itself."""
        value = self.value
        kind = value.get("kind") if isinstance(value, dict) else None
        items = value.get("items") if isinstance(kind, str) and kind.endswith("List") else None
        if not isinstance(items, list):
            yield self
            return
        start = self._whole("items[")
        repeated: dict[int, list[tuple[str, int]]] = {}
        for path, line in self.repeated:
            index, _, inner = path.removeprefix(start).partition("].")
            if path.startswith(start) and inner and index.isdecimal():
                repeated.setdefault(int(index), []).append((inner, line))
        for place, item in enumerate(items):
            inside = tuple(repeated.get(place, ()))
            yield from Document(item, self.lines, inside, self.texts, f"{start}{place}]").objects()

    def _whole(self, path: str) -> str:
        return ".".join(part for part in (self.at, path) if part)


@dataclass(frozen=True, slots=True)
class Malformed:
    """A syntax error: where, and why."""

    line: int
    column: int
    message: str


class _GoLoader(yaml.SafeLoader):
    """Plain scalars as Go's YAML reads them: 12:30 and 2026-10-01 are texts, 1e-3 is a number."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way to hold them
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """A node; one that lies deeper than MOST_DEPTH is refused before Python's own stack ends."""
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise yaml.MarkedYAMLError(
                problem=_TOO_DEEP, problem_mark=parent.start_mark if parent is not None else None
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put merged mappings (<<) into one; refused before they are many more than any manifest has."""
        size = 0
        for key, value in node.value:
            if key.tag != "tag:yaml.org,2002:merge":
                continue
            parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for part in parts:
                if isinstance(part, yaml.MappingNode) and part is not node:
                    self.flatten_mapping(part)
                    size += len(part.value)
                if size > MOST_NODES:
                    raise yaml.MarkedYAMLError(problem=_WITHOUT_END, problem_mark=node.start_mark)
        super().flatten_mapping(node)


_KINDS = (
    ("null", r"|~|null|Null|NULL", ["", "~", "n", "N"]),
    ("bool", r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", list("yYnNtTfFoO")),
    ("int", r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
     list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
)  # fmt: skip
for _kind, _pattern, _first in _KINDS:
    _GoLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z"), _first)


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    del loader
    text = node.value.replace("_", "").lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


def _whole(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = node.value.replace("_", "")
    return int(text, 8) if "0o" in text else int(loader.construct_yaml_int(node))


def _truth(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    del loader
    return node.value.lower() in ("y", "yes", "true", "on")


_GoLoader.add_constructor("tag:yaml.org,2002:float", _number)
_GoLoader.add_constructor("tag:yaml.org,2002:int", _whole)
_GoLoader.add_constructor("tag:yaml.org,2002:bool", _truth)


def read(text: str) -> Iterator[Document | Malformed]:
    """The documents of a YAML stream that are not empty. Text that is no YAML ends it with a Malformed."""
    if len(text) > MOST_CHARACTERS:
        yield Malformed(1, 1, f"has {len(text):,} characters, at most {MOST_CHARACTERS:,} are read; split the file")
        return
    loader = _GoLoader(text) if _readable(text) else None
    if loader is None:
        yield Malformed(1, 1, "not text: a control character stands in it")
        return
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
                continue
            yield _Unfolding(loader).document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "not YAML"
        yield Malformed((mark.line if mark else 0) + 1, (mark.column if mark else 0) + 1, reason + _hint(text, mark))
    except RecursionError:
        yield Malformed(1, 1, _TOO_DEEP)
    finally:
        loader.dispose()


def _readable(text: str) -> bool:
    return yaml.reader.Reader.NON_PRINTABLE.search(text) is None


def _hint(text: str, mark: yaml.Mark | None) -> str:
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    if "{{" in line:
        return "; a value with {{ needs quotes around it, and a chart must be rendered first (helm template)"
    return "; indent with spaces, not tabs" if "\t" in line else ""


@dataclass(slots=True)
class _Unfolding:
    """A node's value, and the lines of its parts on the way."""

    loader: _GoLoader
    lines: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    repeated: list[tuple[str, int]] = field(default_factory=list)
    nodes: int = 0

    def document(self, root: yaml.Node) -> Document:
        value = self._value(root, "", root.start_mark.line + 1)
        return Document(value, self.lines, tuple(self.repeated), self.texts)

    def _value(self, node: yaml.Node, path: str, line: int, depth: int = 0) -> Any:
        self.nodes += 1
        if self.nodes > MOST_NODES or depth > MOST_DEPTH:
            raise yaml.MarkedYAMLError(problem=_WITHOUT_END, problem_mark=node.start_mark)
        self.lines[path] = line
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth + 1)
        if isinstance(node, yaml.SequenceNode):
            return [
                self._value(item, f"{path}[{index}]", item.start_mark.line + 1, depth + 1)
                for index, item in enumerate(node.value)
            ]
        try:
            value = self.loader.construct_object(node)
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            # The constructors of PyYAML take it for granted that a text fits its tag, such as !!timestamp.
            problem = str(error) if isinstance(error, ValueError) else f"the text does not fit its tag {node.tag}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None
        if not isinstance(value, str):
            self.texts[path] = node.value
        return value

    def _mapping(self, node: yaml.MappingNode, path: str, depth: int) -> dict[str, Any]:
        written = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<")
        self.loader.flatten_mapping(node)
        result: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a mapping cannot be a key", problem_mark=key.start_mark)
            inner, line = f"{path}.{key.value}" if path else key.value, key.start_mark.line + 1
            if key.value in result and written[key.value] > 1:
                self.repeated.append((inner, line))
            result[key.value] = self._value(value, inner, line, depth)
        return result
