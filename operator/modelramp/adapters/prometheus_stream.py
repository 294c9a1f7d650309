"""Parses an answer of Prometheus as it arrives; at any time it holds one series, not the text.

A JSON parser that takes the whole text holds the interpreter until it has read all of it, and builds a tree of ten
times the size. Here each series is parsed by itself, in pieces that leave the event loop alone in between, and nothing
after the bound is read.
"""

import codecs
import json
import re
import zlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from modelramp.adapters.prometheus_answers import (
    MOST_WARNINGS,
    add_samples,
    by_instant,
    check_warnings,
    expect_instant,
    failed,
    no_prometheus,
    partial,
    sample_of,
    scalar_of,
    too_large,
    unreadable,
)
from modelramp.engine.ports import Sample

PIECE: Final = 64 * 1024
"""Bytes that are unpacked and parsed at a time: some 2 ms."""
LARGEST_ITEM: Final = 256 * 1024
"""Characters of one series; a native histogram at sixteen instants has some 100,000."""

Found = TypeVar("Found")
_Steps = Generator[None, None, Found]
_SPACE: Final = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of an answer. bytes: of its decompressed text."""

    bytes: int
    series: int


def unpacked(coding: str) -> Callable[[bytes], Generator[bytes, None, None]]:
    """Decompresses a body, at most PIECE bytes at a time. coding: its Content-Encoding."""
    match coding.strip().lower():
        case "" | "identity":
            return _cut
        case "gzip" | "x-gzip":
            return _gunzip(zlib.decompressobj(wbits=31))
        case _:
            raise unreadable()


def _cut(piece: bytes) -> Generator[bytes, None, None]:
    yield from (piece[at : at + PIECE] for at in range(0, len(piece), PIECE))


def _gunzip(packed: Any) -> Callable[[bytes], Generator[bytes, None, None]]:
    def unpack(piece: bytes) -> Generator[bytes, None, None]:
        while piece and not packed.eof:
            try:
                yield packed.decompress(piece, PIECE)
            except zlib.error:
                raise no_prometheus() from None
            piece = packed.unconsumed_tail

    return unpack


class InstantReader:
    """Keeps the samples of an instant query."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._rows: list[Sample] = []
        self._point: list[Any] = []

    def expect(self, kind: str) -> None:
        """Raise PrometheusUnavailable unless an answer of that resultType can be used."""
        expect_instant(kind)

    def take(self, item: Any) -> None:
        """An item of the result: a series of a vector, or a part of a scalar."""
        if isinstance(item, dict):
            self._rows.append(sample_of(item, self._known))
        elif len(self._point) < 2:
            self._point.append(item)
        else:
            raise unreadable()

    def found(self, kind: str) -> tuple[Sample, ...]:
        """All of them."""
        self.expect(kind)
        if (kind == "scalar" and self._rows) or (kind == "vector" and self._point):
            raise unreadable()
        return tuple(self._rows) if kind == "vector" else scalar_of(self._point)


class RangeReader:
    """Keeps the samples of a range query by instant."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._rows: dict[int, list[Sample]] = {}

    def expect(self, kind: str) -> None:
        """Raise PrometheusUnavailable unless an answer of that resultType can be used."""
        if kind != "matrix":
            raise unreadable()

    def take(self, item: Any) -> None:
        """A series."""
        add_samples(self._rows, item, self._known)

    def found(self, kind: str) -> Mapping[int, tuple[Sample, ...]]:
        """All of them."""
        self.expect(kind)
        return by_instant(self._rows)


class AnswerParser(Generic[Found]):
    """Reads one successful answer. `feed` it pieces, then ask for `result`; all raise PrometheusUnavailable."""

    def __init__(self, reader: Any, bounds: Bounds) -> None:
        """reader: an InstantReader or a RangeReader."""
        self._reader = reader
        self._bounds = bounds
        self._bytes = self._series = 0
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._scan = json.scanner.make_scanner(json.JSONDecoder(parse_constant=_refuse))  # type: ignore[attr-defined]
        self._text, self._at, self._ended = "", 0, False
        self._kind: str | None = None
        self._fields: dict[str, Any] = {}
        self._warnings: list[Any] = []
        self._has_data = self._has_result = self._done = False
        self._steps = self._answer()

    def feed(self, piece: bytes) -> None:
        """The next bytes, unpacked."""
        self._bytes += len(piece)
        if self._bytes > self._bounds.bytes:
            raise too_large(_size(self._bounds.bytes))
        try:
            text = self._decode.decode(piece)
        except UnicodeDecodeError:
            raise no_prometheus() from None
        self._text = self._text[self._at :] + text
        self._at = 0
        self._step()

    def result(self) -> tuple[Found, tuple[str, ...]]:
        """What was found, with the warnings about the query, when all bytes were fed."""
        self._ended = True
        self._step()
        if self._fields.get("status") == "error":
            raise failed(self._fields.get("errorType"), self._fields.get("error"), 200)
        if not self._done or self._fields.get("status") != "success" or not self._has_data:
            raise no_prometheus()
        if self._fields.get("isPartial", False) is not False:
            raise partial("the answer says isPartial")
        warnings = check_warnings(self._warnings)
        if not self._has_result:
            raise unreadable()
        return self._reader.found(str(self._kind)), warnings

    def _step(self) -> None:
        if self._done:
            if self._text[self._at :].strip(" \t\r\n"):
                raise no_prometheus()
            return
        try:
            next(self._steps)
        except StopIteration:
            self._done = True
            self._step()
        except _NoJsonError:
            raise no_prometheus() from None

    def _answer(self) -> _Steps[None]:
        yield from self._members(self._field)

    def _field(self, name: str) -> _Steps[None]:
        match name:
            case "data" if not self._has_data:
                self._has_data = True
                yield from self._members(self._data)
            case "warnings" if (yield from self._peek()) == "[":
                yield from self._items(self._take_warning)
            case "warnings":
                value = yield from self._value()
                self._warnings = check_warnings(value if value is not None else [])  # type: ignore[assignment]
            case "status" | "error" | "errorType" | "isPartial":
                self._fields[name] = yield from self._value()
            case "data":
                raise unreadable()
            case _:
                yield from self._value()

    def _data(self, name: str) -> _Steps[None]:
        match name:
            case "resultType":
                self._kind = str((yield from self._value()))
            case "result" if not self._has_result:
                self._has_result = True
                if self._kind is not None:
                    self._reader.expect(self._kind)
                if (yield from self._peek()) != "[":
                    raise unreadable()
                yield from self._items(self._take_series)
            case "result":
                raise unreadable()
            case _:
                yield from self._value()

    def _take_series(self, item: Any) -> None:
        self._series += 1
        if self._series > self._bounds.series:
            raise too_large(f"{self._bounds.series:,} series")
        self._reader.take(item)

    def _take_warning(self, item: Any) -> None:
        if len(self._warnings) <= MOST_WARNINGS:
            self._warnings.append(item)

    def _members(self, use: Callable[[str], _Steps[None]]) -> _Steps[None]:
        """Each member of an object: `use` reads its value."""
        yield from self._expect("{")
        if (yield from self._peek()) == "}":
            self._at += 1
            return
        while True:
            name = yield from self._value()
            if not isinstance(name, str):
                raise _NoJsonError
            yield from self._expect(":")
            yield from use(name)
            if (yield from self._expect(",}")) == "}":
                return

    def _items(self, take: Callable[[Any], None]) -> _Steps[None]:
        """Each item of an array."""
        yield from self._expect("[")
        if (yield from self._peek()) == "]":
            self._at += 1
            return
        while True:
            take((yield from self._value()))
            # Most of the time is spent here: the next character is mostly there, and no space.
            if self._text.startswith(",", self._at):
                self._at += 1
            elif (yield from self._expect(",]")) == "]":
                return

    def _expect(self, characters: str) -> _Steps[str]:
        found = yield from self._peek()
        if found not in characters:
            raise _NoJsonError
        self._at += 1
        return found

    def _peek(self) -> _Steps[str]:
        """The next character that is no space."""
        if self._at < len(self._text) and self._text[self._at] > " ":
            return self._text[self._at]
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                raise _NoJsonError
            yield

    def _value(self) -> _Steps[Any]:
        """The next value, parsed as a whole."""
        yield from self._peek()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except (ValueError, StopIteration):
                end = None
            except RecursionError:
                raise no_prometheus() from None
            # A number goes on until something else comes.
            if end is not None and (end < len(self._text) or self._ended):
                self._at = end
                return value
            have = len(self._text) - self._at
            if have > LARGEST_ITEM:
                raise too_large(f"{LARGEST_ITEM >> 10} KiB in one series")
            if self._ended:
                raise _NoJsonError
            # Parsed again when it has doubled: so the work stays linear in the size.
            while len(self._text) - self._at < 2 * have and not self._ended:
                yield


class _NoJsonError(Exception):
    """The text is not JSON, or ends too early."""


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"
