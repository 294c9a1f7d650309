"""Train the models ahead of time: ``python -m examples.train --out DIR [VARIANT ...]``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from examples import artefacts, digits, models
from examples.models import RECIPES, Recipe, Variant


@click.command()
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Where the files go.")
@click.argument("variants", nargs=-1, type=click.Choice([variant.value for variant in Variant]))
def main(out: Path, variants: tuple[str, ...]) -> None:
    """Write VARIANT.joblib and a card VARIANT.json (digest, measured accuracy) for each VARIANT (default: all)."""
    out.mkdir(parents=True, exist_ok=True)
    for variant in map(Variant, variants or Variant):
        card = train_into(out, variant, RECIPES[variant])
        click.echo(json.dumps(card))


def train_into(out: Path, variant: Variant, recipe: Recipe) -> dict[str, object]:
    """Train one variant, write its file and its card, and return the card."""
    model = models.train(recipe)
    path = out / f"{variant.value}.joblib"
    card: dict[str, object] = {
        "variant": variant.value,
        "version": recipe.version,
        "file": path.name,
        "digest": artefacts.write(model, path),
        "trainedOn": recipe.rows or len(digits.training()),
        "swapped": recipe.swapped,
        "accuracy": {group: round(models.accuracy(model, group), 4) for group in (digits.DESKTOP, digits.PHONE)},
    }
    path.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")
    return card


if __name__ == "__main__":
    main()
