"""What `detect: change` declares holds on scraped counters, and would not on those that increase() extrapolates."""

import pytest

from benchmarks.scraped import Scraping, detection, false_rollbacks

HOURS, SEED = 2_500, 20_261_129
HEALTHY, SICK = 0.01, 0.10


@pytest.mark.parametrize("each", [1, 2, 4, 10])
def test_at_most_one_false_rollback_in_a_thousand_hours(each):
    assert false_rollbacks(Scraping(each), SEED, 30, HEALTHY, HOURS).value <= 1


@pytest.mark.parametrize("each", [1, 2, 4, 10])
def test_a_sick_version_is_found_within_ten_ticks(each):
    assert detection(Scraping(each), SEED, 30, (HEALTHY, SICK), 500, 20).within_ten.value >= 0.97


def test_counts_that_are_extrapolated_alarm_far_more_often():
    found = false_rollbacks(Scraping(2, extrapolated=True), SEED, 30, HEALTHY, HOURS)
    assert 20 <= found.value <= 40
