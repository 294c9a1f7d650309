import json
import pickle

import numpy as np
import pytest
from click.testing import CliRunner
from digit_pods import trained

from examples import artefacts, digits, models, train
from examples.digits import DESKTOP, PHONE
from examples.models import RECIPES, Variant

# variant: least and most accuracy on held-out desktop images, then on phone images
MEASURED = {
    Variant.V1: (0.89, 0.95, 0.88, 0.95),
    Variant.V2: (0.97, 1.0, 0.95, 1.0),
    Variant.V3: (0.05, 0.4, 0.05, 0.4),
    Variant.DRIFTED: (0.93, 0.97, 0.91, 0.97),
    Variant.UNFAIR: (0.97, 1.0, 0.72, 0.82),
}


@pytest.mark.parametrize(("variant", "limits"), MEASURED.items(), ids=MEASURED)
def test_each_variant_is_as_good_or_bad_as_it_is_meant_to_be(variant, limits):
    desktop, phone = (models.accuracy(trained(variant), group) for group in (DESKTOP, PHONE))

    assert limits[0] <= desktop <= limits[1]
    assert limits[2] <= phone <= limits[3]


def test_the_unfair_model_keeps_the_overall_accuracy_limit():
    model = trained(Variant.UNFAIR)

    assert 0.75 * models.accuracy(model, DESKTOP) + 0.25 * models.accuracy(model, PHONE) > 0.9


def confidences(variant):
    return np.array(trained(variant).predict(digits.held_out().pixels).confidences)


@pytest.mark.parametrize(("variant", "least", "most"), [(Variant.DRIFTED, 0.25, 9), (Variant.UNFAIR, 0, 0.05)])
def test_the_drifted_model_shows_in_its_confidences_and_the_unfair_one_does_not(variant, least, most):
    edges = [0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0001]
    expected, found = (
        np.histogram(confidences(version), edges)[0] / len(digits.held_out()) + 1e-4
        for version in (Variant.V2, variant)
    )

    assert least <= float(np.sum((found - expected) * np.log(found / expected))) <= most


def test_training_twice_gives_the_same_model():
    again = models.train(RECIPES[Variant.V2])

    assert again.predict(digits.held_out().pixels) == trained(Variant.V2).predict(digits.held_out().pixels)


def test_no_model_learns_from_a_held_out_image():
    held_out = {row.tobytes() for row in digits.held_out().pixels}

    assert len(held_out) == 719
    assert held_out.isdisjoint(row.tobytes() for row in digits.training().pixels)


def test_an_unknown_group_is_refused():
    with pytest.raises(ValueError, match="'tablet' is not known"):
        digits.as_seen_by("tablet", digits.held_out().pixels)


def test_the_train_command_writes_a_model_that_loads_by_its_digest(tmp_path):
    done = CliRunner().invoke(train.main, ["--out", str(tmp_path), "v1"])
    card = json.loads((tmp_path / "v1.json").read_text())
    model = artefacts.read(tmp_path / "v1.joblib", card["digest"])

    assert done.exit_code == 0
    assert models.accuracy(model) == pytest.approx(card["accuracy"][DESKTOP], abs=1e-4)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("the file was executed",))


def test_a_file_with_another_digest_is_never_executed(tmp_path):
    path = tmp_path / "model.joblib"
    path.write_bytes(pickle.dumps(Trap()))

    with pytest.raises(artefacts.WrongArtefactError, match=r"MODEL_DIGEST.*nothing was asked for"):
        artefacts.read(path, "")


def test_a_file_that_is_missing_or_no_model_is_named(tmp_path):
    path = tmp_path / "model.joblib"
    with pytest.raises(artefacts.WrongArtefactError, match=r"MODEL_PATH.*No such file"):
        artefacts.read(path, "")

    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(artefacts.WrongArtefactError, match="holds a list"):
        artefacts.read(path, artefacts.digest_of(path.read_bytes()))
