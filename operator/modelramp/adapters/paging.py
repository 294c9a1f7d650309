"""Page sizes bounded in bytes: an object may have 1.5 MiB, so a number of objects bounds nothing."""

import aiohttp

FIRST = 50
"""Objects in the first page of a kind, while their size is unknown."""
MOST = 500
"""Objects in a page at most."""
WANTED = 2 << 20
"""Bytes that a page should have."""
LARGEST = 8 << 20
"""Bytes at which reading a page stops and a smaller one is requested."""
_SHRINK = 8


class Pages:
    """How many objects of a kind to request at once, by the sizes seen so far."""

    def __init__(self) -> None:
        self._limits: dict[str, int] = {}

    def limit(self, kind: str) -> int:
        """Objects to ask for in the next page."""
        return self._limits.get(kind, FIRST)

    def saw(self, kind: str, objects: int, size: int) -> None:
        """Record a page and its size in bytes. The next page has at most twice as many objects."""
        if objects:
            fits = objects * WANTED // max(size, 1)
            self._limits[kind] = max(1, min(fits, 2 * self.limit(kind), MOST))

    def too_large(self, kind: str) -> None:
        """Record that a page was too large; the next one is shorter."""
        self._limits[kind] = max(1, self.limit(kind) // _SHRINK)


class Versions:
    """The resourceVersions at which complete lists began: a watch may go on from there, once."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str | None], str] = {}

    def listed(self, kind: str, namespace: str | None, version: str) -> None:
        """Record a list of a kind, by its plural, in one namespace or in all."""
        self._versions[kind, namespace] = version

    def take(self, kind: str, namespace: str | None) -> str:
        """The version of the newest list that no watch has gone on from; "" when there is none."""
        return self._versions.pop((kind, namespace), "")


async def read_at_most(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """The body, or None when it has more bytes; the connection is then closed."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > most:
            response.close()
            return None
    return b"".join(parts)
