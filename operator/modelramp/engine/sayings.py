"""When a sentence that changed by itself is worth a write: a new cause at once, a known one now and then."""

import re
from dataclasses import dataclass

AGAIN_SECONDS = 60.0
"""Time between two writes of what was said before: pods whose words alternate cost no more than that."""
_REMEMBERED = 8
_NUMBERS = re.compile("[0-9]+")
_POD = re.compile("pod [^ :]+:")


@dataclass(frozen=True, slots=True)
class Sayings:
    """What the status has said of one candidate while it waits. at: of the last write, seconds since the epoch."""

    revision: str = ""
    known: tuple[str, ...] = ()
    at: float = 0.0

    def is_news(self, revision: str, message: str, now: float) -> bool:
        """Whether the sentence should be written although nothing else changed."""
        if revision != self.revision:
            return True
        if _gist(message) in self.known or len(self.known) >= _REMEMBERED:
            return now - self.at >= AGAIN_SECONDS
        return True

    def after(self, revision: str, message: str, now: float) -> "Sayings":
        """What is remembered once the sentence stands in the status."""
        known = self.known if revision == self.revision else ()
        return Sayings(revision, tuple(dict.fromkeys((*known, _gist(message))))[:_REMEMBERED], now)


def _gist(message: str) -> str:
    """The sentence without its numbers and the name of the pod: the next pod fails in the same way."""
    return _NUMBERS.sub("#", _POD.sub("pod:", message))
