"""Three clocks, of which one may be wrong: which is believed, when, and what is said of it."""

import pytest

from modelramp.core.timekeeping import ALONE_SECONDS, PATIENCE_SECONDS, Said, Timekeeping, hear, look

EPOCH = 1_800_000_000.0


class Clocks:
    """The true time, and a machine whose wall clock is wrong by `skew`; its steady clock began at 5000."""

    def __init__(self, skew=0.0):
        self.truth, self.steady, self.skew = EPOCH, 5000.0, skew
        self.said = []
        self.kept = Timekeeping.begun(self.steady, EPOCH + skew)

    @property
    def error(self):
        return self.steady + self.kept.offset - self.truth

    def wait(self, seconds, *, every=1.0):
        for _ in range(int(seconds / every)):
            self.truth, self.steady = self.truth + every, self.steady + every
            self.look()
        return self

    def look(self):
        self.kept, said = look(self.kept, self.steady, self.truth + self.skew)
        self.said += [said] if said else []
        return self

    def set(self, skew):
        self.skew = skew
        return self.look()

    def hear(self, wrong=0.0, took=0.1):
        self.look()
        told = (self.truth + wrong) // 1
        self.kept, said = hear(self.kept, self.steady, told, told + 1 + took)
        self.said += [said] if said else []
        return self


@pytest.mark.parametrize("skew", [2.0, -2.0, 60.0, -60.0, 600.0, -600.0, 1e9])
def test_a_clock_that_is_set_is_not_followed_unless_the_api_server_agrees(skew):
    clocks = Clocks().hear().wait(10).set(skew)

    assert clocks.error == pytest.approx(0.0, abs=1e-3)
    assert clocks.kept.unsettled
    clocks.wait(5).hear()
    assert abs(clocks.error) <= 2.0  # so little may be an answer's missing fraction
    assert not clocks.kept.unsettled


def test_both_of_a_wrong_step_and_its_correction_are_said():
    clocks = Clocks().hear().wait(10).set(60.0).hear().wait(30).hear().set(0.0).hear().wait(60).hear()

    assert clocks.said == [Said.SET, Said.WRONG, Said.SET, Said.RIGHT]
    assert clocks.error == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("skew", [60.0, -60.0])
def test_a_step_that_is_right_is_followed_at_once(skew):
    clocks = Clocks(skew)
    clocks.wait(20).set(0.0).hear()

    assert clocks.said == [Said.SET, Said.RIGHT]
    assert clocks.error == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("skew", [5.0, -5.0, 600.0, -600.0])
def test_at_the_start_the_api_server_is_believed(skew):
    clocks = Clocks(skew).hear()

    assert clocks.said == [Said.WRONG]
    assert -1.0 <= clocks.error <= 0.0


@pytest.mark.parametrize("skew", [5.0, -5.0])
def test_after_standing_still_the_api_server_is_believed(skew):
    clocks = Clocks().hear().wait(10)
    clocks.truth += 100
    clocks.steady += 100 + skew  # as a clock that does not go on while the process is stopped
    clocks.skew = skew
    clocks.hear()

    assert abs(clocks.error) <= 1.2


def test_time_stays_within_what_the_api_server_says_while_the_wall_clock_is_wrong_for_days():
    clocks = Clocks(600.0).hear()
    for _ in range(200):
        clocks.steady += 0.05  # a quartz that runs fast
        clocks.wait(60, every=5.0).hear()

    assert abs(clocks.error) <= 1.2


@pytest.mark.parametrize("wrong", [60.0, -60.0, 600.0])
def test_an_api_server_whose_clock_is_set_is_not_followed_for_a_minute(wrong):
    clocks = Clocks().hear().wait(10)
    for _ in range(11):
        clocks.hear(wrong).wait(5)
    clocks.hear()

    assert clocks.error == pytest.approx(0.0, abs=1e-3)
    assert clocks.said == []


def test_an_api_server_that_stays_ahead_is_followed_since_the_machine_may_have_stood_still():
    clocks = Clocks().hear().wait(10)
    for _ in range(int(PATIENCE_SECONDS / 5) + 1):
        clocks.hear(600.0).wait(5)

    assert 598.8 <= clocks.error <= 600.0
    assert clocks.said == [Said.WRONG]


def test_an_api_server_that_stays_behind_is_not_followed_and_that_is_said_once():
    clocks = Clocks().hear().wait(10)
    for _ in range(60):
        clocks.hear(-600.0).wait(5)

    assert clocks.error == pytest.approx(0.0, abs=1e-3)
    assert clocks.said == [Said.DIFFERS]


def test_a_slewed_clock_is_followed_and_not_called_set():
    clocks = Clocks().hear()
    for second in range(600):
        clocks.skew = -second * 0.001
        clocks.wait(1)

    assert clocks.said == []
    assert clocks.error == pytest.approx(-0.599, abs=1e-3)


def test_a_clock_that_creeps_away_from_the_api_server_is_found_wrong():
    clocks = Clocks().hear()
    for minute in range(30):
        clocks.wait(60).hear()
        clocks.skew += 0.4 * (minute >= 0)

    assert Said.SET not in clocks.said
    assert abs(clocks.error) <= 2.5


def test_without_an_answer_a_clock_that_was_set_is_followed_in_the_end_and_corrected_by_the_first_answer():
    clocks = Clocks().hear().wait(10).set(60.0).wait(ALONE_SECONDS - 2)
    assert clocks.error == pytest.approx(0.0, abs=1e-3)

    clocks.wait(5)
    assert clocks.error == pytest.approx(60.0, abs=1e-3)
    clocks.hear()
    assert abs(clocks.error) <= 1.2
    assert clocks.said == [Said.SET, Said.UNCONFIRMED, Said.WRONG]


def test_a_clock_that_was_found_wrong_is_not_followed_though_no_answer_comes_any_more():
    clocks = Clocks(600.0).hear().wait(2 * ALONE_SECONDS)

    assert abs(clocks.error) <= 1.2
