"""Steady requests to one host through the gateway, each recorded: who answered, with what, when."""

import json
import math
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx


@dataclass(frozen=True)
class Answer:
    """One request: when it was sent, what came back, which version answered; `asked_to_fail` ones prove nothing."""

    at: float
    status: int
    tag: str
    asked_to_fail: bool


@dataclass
class Traffic:
    """A thread that sends `rps` requests a second to `host` until the `with` block ends, at most `most_s` seconds."""

    url: str
    host: str
    rps: float = 20.0
    most_s: float = 300.0
    answers: list[Answer] = field(default_factory=list)
    failing_share: float = 0.0

    def __enter__(self):
        self._end = threading.Event()
        self._chance = random.Random(7)  # noqa: S311 - spreads requests, guards nothing
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join(timeout=30)

    def _send(self):
        with httpx.Client(base_url=self.url, headers={"Host": self.host}, timeout=10.0) as client:
            start = time.monotonic()
            for number in range(int(self.rps * self.most_s)):
                if self._end.wait(max(0.0, start + number / self.rps - time.monotonic())):
                    return
                wanted = self._chance.random() < self.failing_share
                self.answers.append(self._ask(client, wanted))

    @staticmethod
    def _ask(client, asked_to_fail):
        at = time.monotonic()
        try:
            response = client.get("/status/500" if asked_to_fail else "/")
        except httpx.HTTPError as error:
            return Answer(at, 0, type(error).__name__, asked_to_fail)
        try:
            tag = json.loads(response.content)["tag"]
        except (ValueError, KeyError):
            tag = ""
        return Answer(at, response.status_code, tag, asked_to_fail)

    def failures(self):
        """Requests that failed although nobody asked them to: (status, who) -> count."""
        return Counter((a.status, a.tag) for a in self.answers if a.status != 200 and not a.asked_to_fail)

    def shares(self, since=0.0, until=math.inf):
        """Requests by the version that answered, between two instants (monotonic)."""
        return Counter(a.tag for a in self.answers if since <= a.at < until and a.tag)
