"""Who hears of which ConfigMap, and what a look at a namespace asks for."""

import pytest

from modelramp.api.names import Reason
from modelramp.api.spec import parse_spec
from modelramp.desired.config import ABSENT, MOST_OBJECTS
from modelramp.engine.configs import Configs, Content

ONE, OTHER = ("ml", "digits"), ("ml", "letters")
A, B = ("ml", "a"), ("ml", "b")


def spec(*names, optional=False, tracking=True):
    volumes = [{"name": name, "configMap": {"name": name, "optional": optional}} for name in names]
    found = {
        "model": {"name": "digits", "version": "1"},
        "template": {"spec": {"containers": [], "volumes": volumes}},
        "routing": {"gateway": {"parentRefs": [{"name": "public"}], "hostnames": ["a.example.com"]}},
    }
    return parse_spec(found | ({"trackConfig": {}} if tracking else {}))


@pytest.fixture
def configs():
    return Configs()


def test_content_is_asked_for_once_and_known_to_all_who_read_it(configs):
    assert configs.follow(ONE, spec("a", "b")).config is None
    assert configs.follow(OTHER, spec("a")).config is None
    assert configs.asked.is_set()
    assert configs.take() == (A, B)
    assert configs.take() == ()

    assert set(configs.learn(A, Content("h1", "7"))) == {ONE, OTHER}
    assert configs.follow(OTHER, spec("a")).config == {"ConfigMap/a": "h1"}
    found = configs.follow(ONE, spec("a", "b"))
    assert (found.config, found.trouble) == (None, None), "b was not read yet"


def test_a_look_asks_for_what_is_another_version_and_for_nothing_else(configs):
    for name in ("a", "b"):
        configs.follow(ONE, spec("a", "b"))
        configs.learn(("ml", name), Content("h", "7"))
    configs.take()

    configs.compare("ml", {"a": "7", "b": "8", "foreign": "9"})
    configs.compare("other", {})
    assert configs.take() == (B,)
    configs.compare("ml", {"a": "7"})
    assert configs.take() == (B,), "it is gone"


def test_a_write_that_changes_no_content_is_no_news(configs):
    configs.follow(ONE, spec("a"))
    assert configs.learn(A, Content("h", "7")) == (ONE,)
    assert configs.learn(A, Content("h", "8")) == ()
    assert configs.learn(A, Content("i", "9")) == (ONE,)


def test_who_could_not_copy_hears_also_when_the_content_is_as_it_was(configs):
    configs.follow(ONE, spec("a"))
    configs.learn(A, Content("h", "7"))
    configs.suspect(A)
    assert configs.learn(A, Content("h", "9")) == (ONE,)
    assert configs.learn(A, Content("h", "9")) == ()


@pytest.mark.parametrize(("optional", "config"), [(False, None), (True, {"ConfigMap/a": ABSENT})])
def test_what_does_not_exist_is_missing_unless_the_pods_can_do_without(configs, optional, config):
    configs.follow(ONE, spec("a", optional=optional))
    configs.learn(A, Content())
    found = configs.follow(ONE, spec("a", optional=optional))
    assert found.config == config
    assert (found.trouble is None) is optional
    if found.trouble is not None:
        assert found.trouble.reason is Reason.CONFIG_UNAVAILABLE
        assert found.trouble.message == "ConfigMap a does not exist; create it, or correct spec.template"


def test_what_may_not_be_read_is_never_taken_for_absent(configs):
    configs.follow(ONE, spec("a", optional=True))
    configs.learn(A, Content(trouble="ConfigMap a cannot be read: no"))
    found = configs.follow(ONE, spec("a", optional=True))
    assert (found.config, found.trouble.message) == (None, "ConfigMap a cannot be read: no")
    configs.take()
    configs.compare("ml", {})
    assert configs.take() == (A,), "the right may have been granted"


def test_what_nobody_reads_any_more_is_forgotten(configs):
    configs.follow(ONE, spec("a"))
    configs.learn(A, Content("h", "7"))
    assert configs.namespaces() == ("ml",)
    configs.follow(ONE, spec("a", tracking=False))
    assert (configs.namespaces(), configs.used.is_set()) == ((), False)
    assert configs.learn(A, Content("h", "7")) == ()
    assert configs.follow(ONE, spec("a")).config is None, "it is read again: nobody has followed it meanwhile"
    configs.leave(ONE)
    configs.leave(ONE)
    assert configs.namespaces() == ()


def test_another_term_of_leadership_begins_with_reading(configs):
    configs.follow(ONE, spec("a"))
    configs.learn(A, Content("h", "7"))
    configs.take()
    configs.start_over()
    assert configs.follow(ONE, spec("a")).config is None
    assert configs.take() == (A,)


def test_a_template_that_names_too_many_is_not_tracked(configs):
    names = [f"c{number}" for number in range(MOST_OBJECTS + 1)]
    found = configs.follow(ONE, spec(*names))
    assert found.config is None
    assert f"names {MOST_OBJECTS + 1} ConfigMaps" in found.trouble.message
    assert configs.take() == (), "nothing is read for it"
    assert configs.follow(ONE, spec(*names[1:])).trouble is None
