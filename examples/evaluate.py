"""What a version of the digits model is worth before anybody uses it: `python -m examples.evaluate [--artefact]`.

Runs as a Job of spec.rollout.evaluation. It asks the candidate's Service ($MODELRAMP_CANDIDATE_URL) for the 719
held-out images, or with --artefact the model of $MODELRAMP_MODEL_VERSION itself, where Services cannot be reached.
The results go to the termination log as JSON:

accuracy           share of the images, as a desktop scanner takes them, that it gets right
robustness         the same with noise on every pixel
fairness-gap       by how much the share differs between desktop and phone pictures
digit-accuracy-min the share for the digit that it knows worst: no digit may be given up
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from examples import digits, models
from examples.digits import CLASSES, DESKTOP, INK_MAX, PHONE, Digits, Pixels

TERMINATION_LOG = Path("/dev/termination-log")
NOISE = 2.0
"""Standard deviation of the noise on a pixel, whose ink goes from 0 to 16."""
NOISE_SEED = 7
BATCH = 64
TIMEOUT_S = 30.0

Predict = Callable[[Pixels], npt.NDArray[np.int64]]


def evaluate(predict: Predict, images: Digits) -> dict[str, float]:
    """The results of a model on images that it has never seen."""
    noise = np.random.default_rng(NOISE_SEED).normal(0.0, NOISE, images.pixels.shape)
    right = predict(images.pixels) == images.labels
    noisy = predict(np.clip(images.pixels + noise, 0.0, INK_MAX)) == images.labels
    phone = predict(digits.as_seen_by(PHONE, images.pixels)) == images.labels
    worst = min(float(np.mean(right[images.labels == digit])) for digit in range(CLASSES))
    found = {
        "accuracy": float(np.mean(right)),
        "robustness": float(np.mean(noisy)),
        "fairness-gap": abs(float(np.mean(right)) - float(np.mean(phone))),
        "digit-accuracy-min": worst,
    }
    return {name: round(value, 4) for name, value in found.items()}


def of_service(url: str) -> Predict:
    """Asks a running server, 64 images at a time."""

    def predict(pixels: Pixels) -> npt.NDArray[np.int64]:
        found: list[int] = []
        for start in range(0, len(pixels), BATCH):
            body = json.dumps({"instances": pixels[start : start + BATCH].tolist(), "group": DESKTOP}).encode()
            request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/json"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the URL is our Service's
                found += json.load(answer)["predictions"]
        return np.array(found)

    return predict


def of_artefact(version: str) -> Predict:
    """The model of a version itself; a ValueError names the versions that there are."""
    recipes = {recipe.version: recipe for recipe in models.RECIPES.values()}
    if version not in recipes:
        raise ValueError(f"MODELRAMP_MODEL_VERSION: {version!r} is not known; known are {', '.join(recipes)}")
    model = models.train(recipes[version])
    return lambda pixels: np.array(model.predict(pixels).classes)


def main() -> None:
    """Evaluate the candidate and leave the results where the kubelet reads them."""
    artefact = "--artefact" in sys.argv[1:]
    if artefact:
        predict = of_artefact(os.environ["MODELRAMP_MODEL_VERSION"])
    else:
        predict = of_service(os.environ["MODELRAMP_CANDIDATE_URL"])
    TERMINATION_LOG.write_text(json.dumps(evaluate(predict, digits.held_out())), encoding="utf-8")


if __name__ == "__main__":
    main()
