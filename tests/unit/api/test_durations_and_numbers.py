import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelramp.api.quantity import LONGEST, format_number, parse_number
from modelramp.api.times import format_duration, parse_duration


@given(st.integers(min_value=0, max_value=LONGEST))
def test_a_duration_reads_back_as_it_was_written(seconds):
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("0s", 0), ("1h1s", 3601)])
def test_hours_minutes_and_seconds_stand_in_that_order(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "1d", "-5m", "5m1h", "1.5h", "5 m", "5m\n", "0000001h", "\u0665m"])
def test_other_durations_are_refused_with_an_example(text):
    with pytest.raises(ValueError, match="as in 90s, 5m, 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "number"), [("5", 5), ("0.01", 0.01), ("-1.5", -1.5), ("1e-3", 0.001), ("2E+2", 200)])
def test_numbers_are_decimals(text, number):
    assert parse_number(text) == number


@pytest.mark.parametrize("text", ["", ".5", "1.", "nan", "inf", "1e999", "1%", "0x10", "1_000", "5\n", "\u0665"])
def test_other_numbers_are_refused_with_an_example(text):
    with pytest.raises(ValueError, match="write it as in 5"):
        parse_number(text)


@pytest.mark.parametrize(("number", "text"), [(5.0, "5"), (0.012346, "0.01235"), (1e20, "1e+20"), (-0.5, "-0.5")])
def test_numbers_are_shown_short(number, text):
    assert format_number(number) == text
