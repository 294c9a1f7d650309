"""The page and the picture say what was simulated, and nothing better."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from benchmarks.curves import DOCS, FULL, QUICK, Curves, simulate
from benchmarks.page import HEAD, READING, missing, page, targets
from benchmarks.picture import STYLES, picture
from benchmarks.rules import RULES
from benchmarks.watching import Estimate


@pytest.fixture(scope="module")
def curves() -> Curves:
    return simulate(QUICK, (30,))


def test_the_same_seeds_give_the_same_page(curves):
    assert page(simulate(QUICK, (30,))) == page(curves)


def test_every_rule_has_its_row_at_every_amount_of_traffic(curves):
    rows = [line for line in page(curves).splitlines() if line.startswith("| 30 |")]
    assert [row.split(" | ")[1] for row in rows] == [rule.name for rule in RULES] + ["difference", "change"]
    assert len({row.count(" | ") for row in rows[:-2]}) == 1


def test_a_target_that_is_missed_is_called_so(curves):
    threshold = next(line for line in targets(curves) if line.startswith("| threshold"))
    assert "**not met**: 353" in threshold
    late = replace(curves.measured[-1].delays[0], within_ten=Estimate(0.98, 0.97, 0.99))
    worse = replace(curves.measured[-1], delays=(late,) * 3)
    assert list(targets(replace(curves, measured=(worse,))))[-1].count("**not met**: median") == 3


def test_an_alpha_that_is_exceeded_is_called_so(curves):
    loose = replace(curves.levels[0], runs=1_000, alarms=Estimate(0.2, 0.18, 0.22))
    assert "20.00 % (18.00 to 22.00) | **exceeded** |" in page(replace(curves, levels=(loose,)))


def test_the_picture_is_well_formed_and_shows_every_line(curves):
    root = ET.fromstring(picture(curves.lines))  # noqa: S314 - we made it
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert set(STYLES) | {"30 requests a minute"} <= texts
    settings = {element.text for element in root.iter("{http://www.w3.org/2000/svg}title")}
    assert {"3 in a row", "alpha 0.05"} <= settings
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 1


def test_the_committed_page_has_the_words_and_sizes_of_the_code():
    """The numbers take minutes to simulate; words that were changed without running it again are seen here."""
    text = (DOCS / "operating-curves.md").read_text(encoding="utf-8")
    head = HEAD.format(limit="3 %", healthy="1 %", sick="10 %", hours=FULL.hours, changes=FULL.changes)
    assert text.startswith(head), "run: python -m benchmarks curves"
    for words in (missing(), READING.format(floor=0.001, healthy="1 %", sick="10 %")):
        assert words.strip() in text, "run: python -m benchmarks curves"
    ET.parse(DOCS / "operating-curves.svg")  # noqa: S314 - we made it
