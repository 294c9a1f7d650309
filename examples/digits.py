"""The data: scikit-learn's bundled handwritten digits, split once into what models learn from and what judges them.

1,797 images of 8x8 pixels, each pixel an ink level from 0 to 16, listed row by row.
Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI repository (1998), test part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]

Pixels = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

PIXELS = 64
INK_MAX = 16.0
CLASSES = 10

HELD_OUT_SHARE = 0.4
SPLIT_SEED = 20

# Two groups of users, so that fairness can be measured: the same digits from a desktop scanner, and from a phone whose
# pictures come out darker.
DESKTOP = "desktop"
PHONE = "phone"
PHONE_BRIGHTNESS = 0.4


@dataclass(frozen=True, slots=True)
class Digits:
    """Images and their true classes: ``pixels`` is (n, 64) with ink from 0 to 16, ``labels`` is (n,) with 0 to 9."""

    pixels: Pixels
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@cache
def _split() -> tuple[Digits, Digits]:
    pixels, labels = load_digits(return_X_y=True)
    train_x, held_x, train_y, held_y = train_test_split(
        pixels, labels, test_size=HELD_OUT_SHARE, random_state=SPLIT_SEED, stratify=labels
    )
    return Digits(train_x, train_y), Digits(held_x, held_y)


def training() -> Digits:
    """The 1,078 images that models may learn from."""
    return _split()[0]


def held_out() -> Digits:
    """The 719 images that no model ever learns from; the load generator sends these."""
    return _split()[1]


def as_seen_by(group: str, pixels: Pixels) -> Pixels:
    """The same images as this group of users takes them; an unknown group is a ValueError."""
    if group == DESKTOP:
        return pixels
    if group == PHONE:
        return pixels * PHONE_BRIGHTNESS
    raise ValueError(f"group: {group!r} is not known; use {DESKTOP!r} or {PHONE!r}")
