"""Prometheus remote write 1.0, which all back ends take: protobuf, in snappy's format, without compression."""

import struct
from collections.abc import Iterable, Iterator, Mapping

import httpx

Labels = tuple[tuple[str, str], ...]
Series = Mapping[Labels, Iterable[tuple[float, float]]]
"""By labels (with __name__): instants in seconds, and values."""

_PIECE = 60_000


def write(url: str, series: Series, headers: Mapping[str, str] | None = None) -> None:
    """Write all samples, each with its own time."""
    request = b"".join(_field(1, _series(labels, samples)) for labels, samples in series.items())
    sent = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
    sent |= {"X-Prometheus-Remote-Write-Version": "0.1.0", **(headers or {})}
    answer = httpx.post(url, content=b"".join(_snappy(request)), headers=sent, timeout=20)
    assert answer.status_code in {200, 204}, answer.text


def _series(labels: Labels, samples: Iterable[tuple[float, float]]) -> bytes:
    found = [_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in sorted(labels)]
    found += [
        _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _number(int(at * 1000))) for at, value in samples
    ]
    return b"".join(found)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _number(len(content)) + content


def _number(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _snappy(content: bytes) -> Iterator[bytes]:
    """Literals only: a length of two bytes behind the tag 61."""
    yield _number(len(content))
    for at in range(0, len(content), _PIECE):
        piece = content[at : at + _PIECE]
        yield bytes([61 << 2]) + struct.pack("<H", len(piece) - 1) + piece
