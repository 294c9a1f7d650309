"""The requests: held-out digits in a random order, each from one of the two groups of users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from examples import digits
from examples.digits import DESKTOP, PHONE

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Question:
    """One request: the image as the group took it, and the true class that only the sender knows."""

    pixels: list[float]
    group: str
    label: int


def questions(seed: int, phone_share: float) -> Iterator[Question]:
    """Endless questions, the same for the same seed; every held-out image comes once before any comes again."""
    chance = np.random.default_rng(seed)
    held_out = digits.held_out()
    while True:
        for index in chance.permutation(len(held_out)):
            group = PHONE if chance.random() < phone_share else DESKTOP
            pixels = digits.as_seen_by(group, held_out.pixels[index])
            yield Question([round(ink, 3) for ink in pixels.tolist()], group, int(held_out.labels[index]))
