"""Readiness, liveness and startup probes, with Kubernetes' defaults."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

Object = dict[str, Any]
# Runs a command in the container and returns (exit code, output).
Exec = Callable[[list[str]], Awaitable[tuple[int, str]]]
# Told of each verdict: (passed, message).
Heard = Callable[[bool, str], None]

OUTPUT_LIMIT = 256


@dataclass(frozen=True, slots=True)
class Timing:
    """When a probe is asked and how often it must agree before it counts; times in seconds."""

    initial_delay_s: float
    period_s: float
    timeout_s: float
    successes: int
    failures: int


def timing(probe: Object) -> Timing:
    """Return a probe's timing; the API server has filled in the defaults already, but a test may not have."""
    return Timing(
        initial_delay_s=probe.get("initialDelaySeconds", 0),
        period_s=probe.get("periodSeconds", 10),
        timeout_s=probe.get("timeoutSeconds", 1),
        successes=probe.get("successThreshold", 1),
        failures=probe.get("failureThreshold", 3),
    )


@dataclass(slots=True)
class Score:
    """Turns single answers into a verdict: there is one after enough equal answers in a row."""

    timing: Timing
    streak: int = 0
    last: bool | None = None

    def count(self, answer: bool) -> bool:
        """Count an answer; returns whether a row of them is complete, which is when somebody should hear of it.

        >>> score = Score(Timing(0, 10, 1, successes=1, failures=2))
        >>> [score.count(False), score.count(False), score.count(False), score.count(True)]
        [False, True, False, True]
        """
        self.streak = self.streak + 1 if answer == self.last else 1
        self.last = answer
        return self.streak == (self.timing.successes if answer else self.timing.failures)


async def watch(probe: Object, container: Object, address: str, run: Exec, heard: Heard) -> None:
    """Ask a probe for ever, telling `heard` of each verdict."""
    when = timing(probe)
    score = Score(when)
    await asyncio.sleep(when.initial_delay_s)
    async with aiohttp.ClientSession() as session:
        while True:
            passed, message = await ask(probe, container, address, run, session, when.timeout_s)
            if score.count(passed):
                heard(passed, message)
            await asyncio.sleep(when.period_s)


async def ask_once(action: Object, container: Object, address: str, run: Exec) -> tuple[bool, str]:
    """Do what a lifecycle hook says, once, for as long as its caller lets it."""
    async with aiohttp.ClientSession() as session:
        return await ask(action, container, address, run, session, None)


async def ask(
    probe: Object, container: Object, address: str, run: Exec, session: aiohttp.ClientSession, timeout_s: float | None
) -> tuple[bool, str]:
    """Ask once; returns (passed, what was found)."""
    try:
        async with asyncio.timeout(timeout_s):
            if "httpGet" in probe:
                return await _http(probe["httpGet"], container, address, session)
            if "tcpSocket" in probe:
                return await _tcp(probe["tcpSocket"], container, address)
            if "exec" in probe:
                code, output = await run(probe["exec"]["command"])
                return code == 0, f"command ended with {code}: {output[:OUTPUT_LIMIT]}"
    except TimeoutError:
        return False, f"no answer within {timeout_s} s"
    except (OSError, aiohttp.ClientError, ValueError) as error:
        return False, str(error)[:OUTPUT_LIMIT]
    return False, "this kind of probe is not supported by the process node; supported: httpGet, tcpSocket, exec"


def port_number(port: int | str, container: Object) -> int:
    """Return the number of a port given by number or by name; raises ValueError for an unknown name."""
    if isinstance(port, int):
        return port
    if port.isdigit():
        return int(port)
    for declared in container.get("ports", []):
        if declared.get("name") == port:
            return int(declared["containerPort"])
    raise ValueError(f"the container declares no port named {port!r}")


async def _http(get: Object, container: Object, address: str, session: aiohttp.ClientSession) -> tuple[bool, str]:
    scheme = get.get("scheme", "HTTP").lower()
    host, port = get.get("host") or address, port_number(get["port"], container)
    url = f"{scheme}://{host}:{port}/{get.get('path', '/').lstrip('/')}"
    headers = {"User-Agent": "kube-probe/localplane", "Connection": "close"}
    headers |= {entry["name"]: entry["value"] for entry in get.get("httpHeaders", [])}
    async with session.get(url, headers=headers, ssl=False, allow_redirects=False) as answer:
        return 200 <= answer.status < 400, f"HTTP probe failed with statuscode: {answer.status}"


async def _tcp(socket: Object, container: Object, address: str) -> tuple[bool, str]:
    host, port = socket.get("host") or address, port_number(socket["port"], container)
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
    return True, f"connected to {host}:{port}"
