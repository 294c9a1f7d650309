"""What to send, where, how fast and how long."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from urllib.parse import urlsplit

RPS_MAX = 2_000
REQUESTS_MAX = 2_000_000


class WrongPlanError(ValueError):
    """The plan cannot be run; the message names the field, what was found and what to write instead."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A bounded load; a plan out of bounds is a WrongPlanError.

    url: where the gateway listens, without a path.
    host: the Host header; empty leaves it to the URL.
    rps: requests started per second, whether or not earlier ones were answered.
    duration: seconds in which requests are started.
    feedback_delay: seconds from an answer to its true label; None sends no labels.
    timeout: seconds after which a request has failed.
    in_flight_max: requests that may be unanswered; those due while so many are out are skipped, and counted.
    phone_share: the share of requests that come from the group with darker pictures, 0 to 1.
    seed: decides the order of the images and the groups.
    remote: that the URL may name another machine.
    """

    url: str
    host: str = ""
    rps: float = 20.0
    duration: float = 60.0
    feedback_delay: float | None = 2.0
    timeout: float = 10.0
    in_flight_max: int = 200
    phone_share: float = 0.25
    seed: int = 0
    remote: bool = False

    def __post_init__(self) -> None:
        _between("rps", self.rps, 0.01, RPS_MAX)
        _between("duration", self.duration, 0.01, 7 * 86_400)
        _between("feedback_delay", 0 if self.feedback_delay is None else self.feedback_delay, 0, 86_400)
        _between("timeout", self.timeout, 0.01, 600)
        _between("in_flight_max", self.in_flight_max, 1, 10_000)
        _between("phone_share", self.phone_share, 0, 1)
        if self.requests > REQUESTS_MAX:
            raise WrongPlanError(
                f"rps x duration: {self.requests:,} requests are above {REQUESTS_MAX:,}; lower one of the two"
            )
        _check_target(self.url, remote=self.remote)

    @property
    def requests(self) -> int:
        """How many requests the whole plan starts."""
        return math.ceil(round(self.rps * self.duration, 6))


def _between(field: str, found: float, low: float, high: float) -> None:
    if not low <= found <= high:
        raise WrongPlanError(f"{field}: {found:g} is not between {low:g} and {high:g}")


def _check_target(url: str, *, remote: bool) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query:
        raise WrongPlanError(f"url: {url!r} is not a bare http(s) address such as http://127.0.0.1:8080")
    if not remote and not _is_loopback(parts.hostname):
        raise WrongPlanError(f"url: {parts.hostname} is not this machine; say --remote (remote=True) if it is meant")


def _is_loopback(hostname: str) -> bool:
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost"
