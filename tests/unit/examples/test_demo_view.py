import io

import pytest
from demo_story import CAST, Story
from rich.console import Console

from examples.demo import lines
from examples.demo.journal import Journal, Tick
from examples.demo.scene import scene
from examples.demo.screen import Screen
from examples.demo.view import draw
from examples.load.tally import Tally
from modelramp.api.status import CandidateStatus, CheckStatus, Status, VersionStatus
from modelramp.api.times import to_text

NOW = 1_795_176_000
STABLE = VersionStatus(revision="aaa", model_version="1.0.0", pods="2/2")
CANDIDATE = CandidateStatus(
    revision="bbb", model_version="2.0.0", pods="2/2", weight=10, step=0, step_entered=to_text(NOW - 12)
)
ACCURACY = CheckStatus(
    name="accuracy",
    dimension="technical",
    verdict="breach",
    reason="BelowMinimum",
    value="0.135135135",
    limit=">= 0.85",
)
SILENT = CheckStatus(name="error-rate", verdict="no-data", reason="EmptyResult")


@pytest.fixture
def journal():
    made = Journal(10)
    made.saw_status(
        NOW,
        Status(
            phase="Progressing",
            stable=STABLE,
            candidate=CANDIDATE,
            ticks="+?--",
            breaches=2,
            checks=(ACCURACY, SILENT),
            message="step 1/3: 10 % on 2.0.0 (bbb), " + "and a long story " * 20,
        ),
    )
    made.saw_route(NOW, {"aaa": 100})
    return made


@pytest.fixture
def load():
    tally = Tally()
    for number in range(20):
        tally.sent += 1
        tally.answer(1.0, *(("2.0.0", "bbb") if number < 3 else ("1.0.0", "aaa")), seconds=0.01, hit=number != 1)
    return tally.snapshot(2.0, 5.0)


def rendered(drawn, width=100, height=40):
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    console.print(drawn)
    return console.file.getvalue()


def test_the_view_shows_what_is_wanted_what_the_route_says_and_what_clients_got(journal, load):
    picture = rendered(draw(scene(2, "a title", CAST, journal, load, NOW), [], 100, 40))
    (row,) = [line for line in picture.splitlines() if "2.0.0 " in line and "candidate" in line]

    assert row.split()[1:8] == ["2.0.0", "candidate", "2/2", "10", "%", "0", "%"]
    assert "15.0%" in row


def test_the_view_shows_checks_with_value_limit_and_reason_and_the_count(journal, load):
    picture = rendered(draw(scene(2, "a title", CAST, journal, load, NOW), [], 100, 40))

    rows = [line.strip("│ ").split() for line in picture.splitlines()]
    assert ["✖", "accuracy", "technical", "0.135", ">=", "0.85", "BelowMinimum"] in rows
    assert ["?", "error-rate", "no", "data", "EmptyResult"] in rows
    assert "✔ ? ✖ ✖" in picture
    assert "breaches ●●○" in picture


@pytest.mark.parametrize(("width", "height"), [(80, 30), (100, 40), (200, 60)])
def test_the_view_fits_its_terminal_and_does_not_jump(journal, load, width, height):
    log = [lines.Line(NOW, f"line {number} " + "x" * 200) for number in range(50)]
    for message in ("short", "long " * 100):
        journal.status = journal.status.model_copy(update={"message": message})
        picture = rendered(draw(scene(2, "title " * 30, CAST, journal, load, NOW), log, width, height), width, height)
        heights = len(picture.splitlines())
        assert heights <= height
        assert all(len(line) <= width for line in picture.splitlines())
        assert "line 49" in picture
        assert all(title in picture for title in ("VERSION", "PODS", "ROUTE", "TRAFFIC (5 s)", "RIGHT"))


@pytest.mark.parametrize(("width", "height"), [(80, 30), (100, 40)])
def test_all_versions_and_all_checks_fit_a_small_terminal(load, width, height):
    journal, _ = Story().played()
    checks = tuple(ACCURACY.model_copy(update={"name": name}) for name in ("one", "two", "three", "four", "five"))
    journal.status = journal.status.model_copy(update={"checks": checks, "message": "long " * 100})
    log = [lines.Line(NOW, f"line {number}") for number in range(50)]
    picture = rendered(draw(scene(5, "title", CAST, journal, load, NOW), log, width, height), width, height)

    assert len(picture.splitlines()) <= height
    assert all(word in picture for word in (*CAST.versions, *(check.name for check in checks), "line 49", "Act 5 of 5"))


def test_the_end_of_a_step_is_counted_down_to_the_evaluation_of_its_tick(journal, load):
    # Entered 12 s ago, 30 s long: over 18 s from now, so at the tick after 20 s, which is evaluated 5 s later.
    found = scene(2, "", CAST, journal, load, NOW)

    assert found.step_left == 25
    assert 0 < found.step_done < 1


def test_a_view_without_anything_to_show_yet_can_be_drawn():
    assert "none yet" in rendered(draw(scene(1, "", CAST, Journal(10), None, NOW), [], 80, 30))


def test_breaches_stay_visible_after_the_rollback_that_they_caused():
    story = Story()
    journal, _ = story.played()
    found = scene(3, "", CAST, journal, None, NOW)

    assert (found.phase, found.breaches) == ("RolledBack", 3)
    assert [row.role for row in found.rows] == ["previous", "stable", "failed", "failed", "failed"]


def test_a_line_about_a_breached_tick_has_value_limit_and_count(journal):
    tick = Tick(NOW + 5, NOW, "bbb", "-", 2, (ACCURACY, SILENT))
    line = lines.about_tick(tick, journal, 3, {"1.0.0": 0.9, "2.0.0": 0.1, "3.0.0": 0.0})

    assert line.text == (
        "tick     12:00:00Z 2.0.0 breach (2 of 3), accuracy 0.135 (>= 0.85), EmptyResult: error-rate; "
        "traffic 1.0.0 90%, 2.0.0 10%"
    )


def test_without_a_terminal_each_change_is_one_plain_line():
    console = Console(file=io.StringIO(), width=40, force_terminal=False)
    screen = Screen(console, lambda: 0.0)
    with screen.task("a task") as report:
        report("half way")
    with screen.scenes():
        screen.show(scene(1, "", CAST, Journal(10), None, NOW))
        screen.say(lines.Line(NOW, "something [happened] " + "that takes more than forty columns", "bold red"))

    assert console.file.getvalue().splitlines() == [
        "==> a task",
        "    half way",
        "12:00:00Z  something [happened] that takes more than forty columns",
    ]
