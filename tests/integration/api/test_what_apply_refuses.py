"""The real API server and the real kubectl refuse each manifest, in words that name the field and the fix."""

import pytest
import yaml

from tests.refused.bounds import broken_bounds
from tests.refused.samples import REFUSED, expected


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_the_manifest_is_refused_with_the_message_that_it_names(path, refusal):
    said = refusal(str(path))
    assert said is not None, f"{path.name} was accepted"
    assert expected(path) in said
    assert "evaluating rule" not in said, "a rule failed on input that another rule or bound speaks of"


def test_every_bound_of_the_schema_is_enforced_and_named(refusal):
    broken = list(broken_bounds())
    assert len(broken) > 100, "the walk over the schema has lost its way"
    said = refusal("-", input=yaml.safe_dump_all(one.manifest for one in broken))
    for one in broken:
        # Each refusal begins with the object's name and ends where the next one begins.
        words = said.partition(f'"{one.name}" is invalid:')[2].partition('The ModelDeployment "')[0]
        assert one.path in words, f"{one.path} {one.bound}: {words or 'accepted'}"
        assert one.says in words, f"{one.path} {one.bound}: {words}"
