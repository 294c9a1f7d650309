"""Sentences that are too long for the API keep their beginning and their end."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelramp.api.text import cut
from modelramp.core.status.read import read_status
from modelramp.core.status.write import status_of
from tests.unit.core.story import START, Story

LONG = "x" * 50


@given(st.text(), st.integers(16, 300))
def test_a_cut_text_fits_and_keeps_both_ends(text, most):
    found = cut(text, most)

    assert len(found.encode(errors="surrogatepass")) <= most
    assert cut(found, most) == found
    assert found == text or " … " in found


@pytest.mark.parametrize("number", [12, 32])
def test_when_many_checks_breach_at_once_the_message_still_says_who_serves_and_what_to_do(number):
    checks = [{"name": f"check-{index:02}-{LONG}", "query": f"x{index}", "max": "0.05"} for index in range(number)]
    story = Story.of(checks=checks).begun()
    for _ in range(3):
        story.now += story.interval
        told = story.outcome("h", **{check["name"]: "b" for check in checks}).checks
        apart = tuple(replace(one, detail=f"{at}.5 parsecs, limit 0.05 parsecs") for at, one in enumerate(told))
        story.look(replace(story.outcome("h"), checks=apart))
    status = status_of(
        "digits", story.target, story.state, story.seen(), generation=1, now=START, before=read_status({})
    )

    message, history = status["message"], status["history"][0]["message"]
    assert message.startswith("2.0.0 (v2) was rolled back at ")
    assert message.endswith("a person sets the annotation modelramp.io/request=retry/v2/<any new word>")
    assert "1.4.0 (v1) serves" in message
    assert history.endswith("1.4.0 (v1) serves")
    ready = next(one["message"] for one in status["conditions"] if one["type"] == "Ready")
    assert ready.endswith("1.4.0 (v1) serves")
    assert all(len(text.encode()) <= 1024 for text in (message, history, ready))
