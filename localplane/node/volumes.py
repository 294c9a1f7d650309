"""A pod's volumes as folders: ConfigMaps, Secrets, tokens and the downward API written out, emptyDirs made."""

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from localplane.node.environment import ConfigError, Source, field

Object = dict[str, Any]
# Returns a ServiceAccount token for the pod (audience or None, seconds) and the time of its expiry.
Tokens = Callable[[str | None, int], Awaitable[str]]

DEFAULT_TOKEN_SECONDS = 3600
# kubelet renews a token when 80 % of its life have passed.
RENEWAL_SHARE = 0.8


class Volumes:
    """The volumes of one pod below a folder, one folder each."""

    def __init__(self, folder: Path, pod: Object, address: str, source: Source, tokens: Tokens) -> None:
        """Prepare; `write` makes and refreshes them.

        source: reads ConfigMaps and Secrets of the pod's namespace. tokens: asks for ServiceAccount tokens.
        """
        self._folder = folder
        self._pod = pod
        self._address = address
        self._source = source
        self._tokens = tokens
        self._token_until: dict[str, float] = {}

    def path(self, name: str) -> Path:
        """Where the volume of that name is."""
        return self._folder / name

    async def write(self, pod: Object) -> None:
        """Bring every volume to what the API server holds now.

        Raises ConfigError when a source that is not optional is missing: kubelet's FailedMount.
        """
        self._pod = pod
        for volume in pod["spec"].get("volumes", []):
            folder = self.path(volume["name"])
            folder.mkdir(parents=True, exist_ok=True)
            if "emptyDir" not in volume:
                _replace(folder, await self._files(volume, folder))

    async def _files(self, volume: Object, folder: Path) -> dict[str, bytes]:
        if "projected" in volume:
            found: dict[str, bytes] = {}
            for source in volume["projected"].get("sources", []):
                found |= await self._projected(source, folder)
            return found
        if "configMap" in volume:
            return await self._entries("ConfigMap", volume["configMap"], volume["configMap"].get("name", ""))
        if "secret" in volume:
            return await self._entries("Secret", volume["secret"], volume["secret"].get("secretName", ""))
        if "downwardAPI" in volume:
            return self._downward(volume["downwardAPI"])
        kind = next((key for key in volume if key != "name"), "nothing")
        raise ConfigError(f"volume {volume['name']!r}: {kind} is not supported by the process node")

    async def _projected(self, source: Object, folder: Path) -> dict[str, bytes]:
        if "serviceAccountToken" in source:
            return await self._token(source["serviceAccountToken"], folder)
        if "configMap" in source:
            return await self._entries("ConfigMap", source["configMap"], source["configMap"].get("name", ""))
        if "secret" in source:
            return await self._entries("Secret", source["secret"], source["secret"].get("name", ""))
        if "downwardAPI" in source:
            return self._downward(source["downwardAPI"])
        raise ConfigError(f"projected source {sorted(source)} is not supported by the process node")

    async def _entries(self, kind: str, reference: Object, name: str) -> dict[str, bytes]:
        entries: Mapping[str, bytes] | None = await self._source(kind, name)
        if entries is None:
            if reference.get("optional"):
                return {}
            raise ConfigError(f'{kind.lower()} "{name}" not found')
        items = reference.get("items")
        if not items:
            return dict(entries)
        missing = [item["key"] for item in items if item["key"] not in entries]
        if missing and not reference.get("optional"):
            raise ConfigError(f"{kind.lower()} {name!r} references non-existent config key: {missing[0]}")
        return {item["path"]: entries[item["key"]] for item in items if item["key"] in entries}

    async def _token(self, request: Object, folder: Path) -> dict[str, bytes]:
        path, seconds = request["path"], int(request.get("expirationSeconds", DEFAULT_TOKEN_SECONDS))
        present = folder / path
        if present.exists() and time.monotonic() < self._token_until.get(str(present), 0):
            return {path: present.read_bytes()}
        token = await self._tokens(request.get("audience"), seconds)
        self._token_until[str(present)] = time.monotonic() + seconds * RENEWAL_SHARE
        return {path: token.encode()}

    def _downward(self, request: Object) -> dict[str, bytes]:
        return {
            item["path"]: field(self._pod, item["fieldRef"]["fieldPath"], self._address).encode()
            for item in request.get("items", [])
            if "fieldRef" in item
        }


def _replace(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder hold exactly these files; one that changes is replaced in one step."""
    for name, content in files.items():
        path = folder / name
        if path.is_file() and path.read_bytes() == content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.new")
        draft.write_bytes(content)
        draft.replace(path)
    for path in [p for p in folder.rglob("*") if p.is_file() and str(p.relative_to(folder)) not in files]:
        path.unlink()
