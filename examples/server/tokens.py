"""Request ids that carry what was answered, so that any pod can judge a label that arrives later.

A Service spreads requests over pods and versions, so the label for an answer of version 2 may reach a pod of version 1.
The id is therefore a sealed note: *revision . payload . seal*, the payload holding the time, a random
number, the group and the classes that were predicted, the seal an HMAC-SHA256 under a key that all pods share.
It hides nothing (the client knows its answer) but cannot be made or changed without the key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass

NONCE_BYTES = 8
SEAL_BYTES = 16
LONGEST = 512
PURPOSE = b"digits-feedback/1\0"
HEAD = struct.Struct(f">I{NONCE_BYTES}sB")


@dataclass(frozen=True, slots=True)
class Answered:
    """What one request was answered.

    issued_at: seconds since the epoch.
    nonce: 8 random bytes, different for every request.
    """

    revision: str
    issued_at: int
    nonce: bytes
    group: str
    classes: tuple[int, ...]


def seal(answered: Answered, key: bytes) -> str:
    """The request id for this answer."""
    group = answered.group.encode("ascii")
    payload = HEAD.pack(answered.issued_at, answered.nonce, len(group)) + group + bytes(answered.classes)
    return f"{answered.revision}.{_text(payload)}.{_text(_mac(answered.revision, payload, key))}"


def unseal(token: str, key: bytes) -> Answered | None:
    """The answer behind a request id; None if it was not sealed with this key."""
    parts = token.rsplit(".", 2)
    if len(parts) != 3 or len(token) > LONGEST or not token.isascii():
        return None
    revision, payload_text, seal_text = parts
    try:
        payload, mac = _bytes(payload_text), _bytes(seal_text)
    except (binascii.Error, ValueError):
        return None
    if not hmac.compare_digest(mac, _mac(revision, payload, key)):
        return None
    issued_at, nonce, group_length = HEAD.unpack_from(payload)
    rest = payload[HEAD.size :]
    return Answered(revision, issued_at, nonce, rest[:group_length].decode("ascii"), tuple(rest[group_length:]))


def _mac(revision: str, payload: bytes, key: bytes) -> bytes:
    message = PURPOSE + revision.encode("ascii") + b"\0" + payload
    return hmac.new(key, message, hashlib.sha256).digest()[:SEAL_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
