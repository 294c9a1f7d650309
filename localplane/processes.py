"""Keeping the plane's components running inside the namespace."""

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import aiohttp

from localplane.components import Component
from localplane.errors import PlaneError, StartError

RESTART_DELAY_S = 1.0
STOP_TIMEOUT_S = 10.0
PROBE_INTERVAL_S = 0.1
PROBE_TIMEOUT_S = 2.0
LOG_TAIL = 15


@dataclass(slots=True)
class Running:
    """A component that should run, and how it has fared."""

    component: Component
    process: asyncio.subprocess.Process | None = None
    keeper: asyncio.Task[None] | None = None
    wanted: bool = True
    restarts: int = 0


class Processes:
    """The components by name: started, restarted when they die, stopped and started again on request."""

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        """Keep component logs in `logs`; every component gets `environment`."""
        self._logs = logs
        self._environment = environment
        self._running: dict[str, Running] = {}

    async def start(self, component: Component) -> None:
        """Start a component and keep it running until `stop`."""
        entry = Running(component)
        self._running[component.name] = entry
        await self._spawn(entry)
        entry.keeper = asyncio.create_task(self._keep(entry))

    async def start_again(self, name: str) -> None:
        """Start a component that was stopped; one that runs is left alone."""
        entry = self._entry(name)
        if not entry.wanted:
            await self.start(entry.component)
        await self.wait_ready(name, 30.0)

    async def stop(self, name: str) -> None:
        """End a component by SIGTERM, after ten seconds by SIGKILL, and leave it down."""
        entry = self._entry(name)
        entry.wanted = False
        if entry.process is None or entry.keeper is None:
            return
        self.signal(name, signal.SIGTERM)
        try:
            await asyncio.wait_for(asyncio.shield(entry.keeper), STOP_TIMEOUT_S)
        except TimeoutError:
            self.signal(name, signal.SIGKILL)
            await entry.keeper

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a component, for instance SIGSTOP to freeze it."""
        entry = self._entry(name)
        if entry.process is not None and entry.process.returncode is None:
            entry.process.send_signal(number)

    async def wait_ready(self, name: str, timeout_s: float) -> None:
        """Wait until the component answers 200; raise StartError with the end of its log when it does not."""
        entry = self._entry(name)
        deadline = time.monotonic() + timeout_s
        async with aiohttp.ClientSession() as session:
            while not await answers(session, entry.component.ready_url):
                if time.monotonic() > deadline:
                    raise StartError(f"{name} was not ready after {timeout_s:.0f} s; its log ends:\n{self.tail(name)}")
                await asyncio.sleep(PROBE_INTERVAL_S)

    def tail(self, name: str) -> str:
        """Return the last lines that a component wrote."""
        try:
            return "\n".join(self._log(name).read_text(errors="replace").splitlines()[-LOG_TAIL:])
        except OSError:
            return "(no log)"

    def report(self) -> dict[str, dict[str, object]]:
        """Return, for each component, whether it runs, its process and how often it had to be restarted."""
        return {
            name: {
                "running": entry.process is not None and entry.process.returncode is None,
                "wanted": entry.wanted,
                "pid": entry.process.pid if entry.process is not None else None,
                "restarts": entry.restarts,
            }
            for name, entry in self._running.items()
        }

    def known_pids(self) -> set[int]:
        """The processes that somebody here waits for."""
        return {entry.process.pid for entry in self._running.values() if entry.process is not None}

    def _entry(self, name: str) -> Running:
        if name not in self._running:
            raise PlaneError(f"there is no component {name!r}; there are: {', '.join(sorted(self._running))}")
        return self._running[name]

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    async def _spawn(self, entry: Running) -> None:
        component = entry.component
        log: IO[bytes]
        with self._log(component.name).open("ab") as log:
            entry.process = await asyncio.create_subprocess_exec(
                *component.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._environment, **dict(component.environment)},
                start_new_session=True,
            )

    @staticmethod
    def _abandoned(entry: Running) -> bool:
        return not entry.wanted

    async def _keep(self, entry: Running) -> None:
        while entry.process is not None:
            await entry.process.wait()
            if self._abandoned(entry):
                return
            await asyncio.sleep(RESTART_DELAY_S)
            if self._abandoned(entry):
                return
            entry.restarts += 1
            await self._spawn(entry)


async def answers(session: aiohttp.ClientSession, url: str) -> bool:
    """Whether a URL answers 200 within two seconds. The certificate is not looked at: we ask for life, not identity."""
    try:
        limit = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)
        async with session.get(url, ssl=False, timeout=limit) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


def reap_orphans(known: set[int], seen: set[int]) -> set[int]:
    """As first process of the namespace: bury dead processes that lost their parent. Returns the dead seen now.

    A corpse is buried only when it was there the last time too, so that a child whose own waiter is about to
    collect it is left to that waiter.
    """
    dead = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _orphaned_corpse(entry):
            dead.add(int(entry.name))
    for pid in (dead & seen) - known:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
    return dead


def _orphaned_corpse(entry: Path) -> bool:
    try:
        state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return False
    return state == "Z" and int(parent) == os.getpid()
