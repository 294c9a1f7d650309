"""Text that others wrote is shown as it is: it can neither forge a line nor hide or reorder one."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelramp.adapters.errors import shortened
from modelramp.analysis.checks import judge
from modelramp.api.check import Check
from modelramp.api.text import visible
from modelramp.cli.output import Finding, Level, print_findings
from modelramp.core.status.read import read_status
from modelramp.core.status.write import status_of
from tests.unit.core.story import ERRORS, Story

HIDDEN = {
    "a line break": ("2.0.0\nReady: True", "2.0.0\\nReady: True"),
    "an escape sequence": ("2.0.0\x1b[2K", "2.0.0\\x1b[2K"),
    "a carriage return": ("2.0.0\rok", "2.0.0\\rok"),
    "reversed text": ("1.0\u202e0.2", "1.0\\u202e0.2"),
    "an isolate": ("1\u2066x\u2069", "1\\u2066x\\u2069"),
    "no width": ("2.0\u200b.0", "2.0\\u200b.0"),
    "a byte order mark": ("\ufeff2", "\\ufeff2"),
    "a line separator": ("a\u2028b", "a\\u2028b"),
    "a C1 control": ("a\x9bb", "a\\x9bb"),
    "a tag character": ("a\U000e0041", "a\\U000e0041"),
}


@pytest.mark.parametrize(("text", "shown"), HIDDEN.values(), ids=HIDDEN)
def test_what_cannot_be_seen_is_shown_as_an_escape(text, shown):
    assert visible(text) == shown
    assert visible(shown) == shown


@pytest.mark.parametrize("text", ["2.0.0", "Straße 1", "模型-2", "caf\u00e9", "a\u00a0b", "😀", ""])
def test_what_people_can_read_stays(text):
    assert visible(text) == text


@given(st.text())
def test_nothing_hidden_is_left(text):
    assert not {unicodedata.category(character) for character in visible(text)} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@pytest.mark.parametrize("text", [text for text, _ in HIDDEN.values()], ids=HIDDEN)
def test_no_sentence_of_a_status_holds_a_models_version_raw(text):
    story = Story.of(checks=(ERRORS,), version=text)
    for minute in ("", *"hhbbb", *"hh"):
        if minute:
            story.minute(minute)
        else:
            story.look()
        written = status_of(
            "digits", story.target, story.state, story.seen(), generation=1, now=story.now, before=read_status({})
        )
        sentences = [written["message"], written.get("detail", "")]
        sentences += [condition["message"] for condition in written["conditions"]]
        sentences += [entry.get("message", "") for entry in written.get("history", ())]
        assert text not in " ".join(sentences)


def test_what_a_server_says_is_shown_in_details_and_errors():
    check = Check.model_validate({"name": "c", "fairness": {"bad": "b", "total": "t"}, "minSamples": 1})
    series = [type("S", (), {"value": -1.0, "labels": {"group": "a\u202eb\n"}, "histogram": None})()]
    assert (
        "group a\\u202eb\\n: bad is negative"
        in judge(check, {"candidate.bad": series, "candidate.total": series}).detail
    )
    assert shortened("no\x1b[2K \u202e!") == "no\\x1b[2K \\u202e!"


def test_lint_prints_no_control_characters(capsys):
    print_findings([Finding("a\n.yaml", 1, Level.ERROR, "spec.\x1b[2K", "found '\u202e'")])
    assert capsys.readouterr().out == "a\\n.yaml:1: error: spec.\\x1b[2K: found '\\u202e'\n"
