"""Freezes: the annotation of a Namespace, as watches and lists report it, and a setting of the operator."""

import pytest

from modelramp.engine.freezes import Freezes


def namespace(reason=None, name="ml", version="5", uid="u1"):
    annotations = {} if reason is None else {"modelramp.io/freeze": reason}
    return {"metadata": {"name": name, "uid": uid, "resourceVersion": version, "annotations": annotations}}


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        ("year-end", "namespace ml is frozen: year-end (annotation modelramp.io/freeze)"),
        ("true", "namespace ml is frozen (annotation modelramp.io/freeze)"),
        ("", "namespace ml is frozen (annotation modelramp.io/freeze)"),
        ("false", ""),
        (None, ""),
        (7, ""),
    ],
)
def test_the_annotation_says_why(reason, text):
    freezes = Freezes()
    freezes.observe("ADDED", namespace(reason))

    assert freezes.of("ml") == text
    assert freezes.of("web") == ""


def test_a_reason_is_bounded_and_shows_no_control_characters():
    freezes = Freezes()
    freezes.observe("ADDED", namespace("x\n" * 5000))

    assert len(freezes.of("ml").encode()) < 400
    assert "\n" not in freezes.of("ml")


def test_only_a_change_of_the_freeze_is_news():
    freezes = Freezes()
    assert freezes.observe("ADDED", namespace()) == ()
    assert freezes.observe("MODIFIED", namespace("a", version="6")) == ("ml",)
    assert freezes.observe("MODIFIED", namespace("a", version="7")) == ()
    assert freezes.observe("MODIFIED", namespace("b", version="8")) == ("ml",)
    assert freezes.observe("MODIFIED", namespace(version="9")) == ("ml",)
    assert freezes.observe("MODIFIED", namespace(version="10")) == ()


def test_older_news_of_one_namespace_changes_nothing():
    freezes = Freezes()
    freezes.observe("MODIFIED", namespace("a", version="10"))

    assert freezes.observe("MODIFIED", namespace(version="9")) == ()
    assert freezes.of("ml")


def test_older_news_does_not_freeze_what_was_thawed():
    freezes = Freezes()
    freezes.observe("MODIFIED", namespace("a", version="10"))
    assert freezes.observe("MODIFIED", namespace(version="11")) == ("ml",)

    assert freezes.observe("MODIFIED", namespace("a", version="10")) == ()
    assert not freezes.of("ml")
    assert freezes.lacking({"ml"}) == ()


def test_a_namespace_that_was_made_again_is_another_one():
    freezes = Freezes()
    freezes.observe("MODIFIED", namespace("a", version="10"))

    assert freezes.observe("ADDED", namespace(version="9", uid="u2")) == ("ml",)
    assert not freezes.of("ml")


def test_a_deletion_or_a_list_that_lacks_it_ends_a_freeze():
    freezes = Freezes()
    freezes.observe("ADDED", namespace("a"))
    assert freezes.observe("DELETED", namespace("a", version="6")) == ("ml",)
    freezes.observe("ADDED", namespace("a", name="web"))
    assert freezes.lacking({"web", "unknown"}) == ("web",)
    assert freezes.names() == frozenset()


def test_the_whole_operator_is_frozen_by_its_setting():
    freezes = Freezes("moving to a new region")
    freezes.observe("ADDED", namespace("a"))

    assert freezes.of("ml") == freezes.of("web") == "the operator is frozen: moving to a new region"
