"""The operator's clock: what it takes from the API server's answers, and how an SRE hears of a step."""

import asyncio
from contextlib import suppress

import pytest
from adapter_fakes import Told, answering, http

from modelramp.adapters.clock import ClusterClock, SystemClock, steady_seconds
from modelramp.adapters.telemetry import OperatorTelemetry
from modelramp.api.errors import ApiServerUnavailable, ModelrampError
from tests.unit.adapters.test_cluster_calls import connected, failed

EPOCH = 1_800_000_000.0  # Fri, 15 Jan 2027 08:00:00 GMT
DATE = "Fri, 15 Jan 2027 08:00:{:02d} GMT"


class Machine:
    """Its clocks are set by the test."""

    def __init__(self):
        self.steady, self.skew = 100.0, 0.0
        self.told = Told()
        self.clock = ClusterClock(self.told, lambda: EPOCH + self.steady - 100.0 + self.skew, lambda: self.steady)

    @property
    def events(self):
        return [event for event, _ in self.told.lines]


def test_a_step_is_counted_and_logged_and_time_goes_on():
    machine = Machine()
    machine.clock.heard(DATE.format(0), 0.1)
    machine.steady, machine.skew = 102.0, 60.0

    assert machine.clock.now() == pytest.approx(EPOCH + 2)
    machine.clock.heard(DATE.format(2), 0.1)
    assert machine.told.counted == [("modelramp_clock_steps_total", {})]
    assert [fields for _, fields in machine.told.lines] == [
        {"clock_moved_seconds": 60.0},
        {"clock_ahead_seconds": 58.9, "time_moved_seconds": 0.0},
    ]


@pytest.mark.parametrize(
    ("skew", "offset"), [(0.0, 0), (0.9, 0), (60.5, 59.4), (-60.0, -60.0)], ids=["right", "nearly", "ahead", "behind"]
)
def test_the_gauge_says_how_far_the_machine_is_from_the_api_server(skew, offset):
    telemetry = OperatorTelemetry()
    clock = ClusterClock(telemetry, lambda: EPOCH + skew, lambda: 100.0)
    clock.heard(DATE.format(0), 0.1)

    line = next(line for line in telemetry.render()[0].decode().splitlines() if line.startswith("modelramp_clock_off"))
    assert float(line.split()[1]) == pytest.approx(offset)


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Jan 2027 08:00:00 GMT", "Fri, 15 Jan 99999 08:00:00 GMT"])
def test_a_date_that_cannot_be_read_changes_nothing(date):
    machine = Machine()
    machine.clock.heard(date, 0.1)

    assert machine.clock.now() == EPOCH
    assert machine.told.lines == []


def test_an_answer_that_took_long_says_nothing_of_the_time():
    machine = Machine()
    machine.clock.heard(DATE.format(40), 2.5)

    assert machine.clock.now() == EPOCH


async def test_each_answer_of_the_api_server_is_heard_also_a_refusal_but_not_a_proxy_s(told):
    heard = []
    date = f"Date: {DATE.format(1)}"
    replies = (http(200, {}, date), failed(403, "no", date), http(502, b"bad gateway", date))
    async with (
        answering(*replies) as (url, received),
        connected(url, told, heard=lambda *of: heard.append(of)) as cluster,
    ):
        for _ in replies:
            with suppress(ModelrampError):
                await cluster.ask_time()

    assert [when for when, _ in heard] == [DATE.format(1)] * 2
    assert all(0 < seconds < 2 for _, seconds in heard)
    assert [request.line for request in received] == ["GET /version HTTP/1.1"] * 3


async def test_the_api_server_is_asked_at_once_after_a_step_and_again_until_it_answers():
    machine, asked = Machine(), []

    async def sleep(seconds):
        machine.steady += seconds
        if machine.steady > 200:
            raise asyncio.CancelledError
        if machine.steady == 150:
            machine.skew = 60.0

    async def ask():
        asked.append(machine.steady - 100)
        if 50 <= asked[-1] < 60:
            raise ApiServerUnavailable("no answer")
        second = int(machine.steady - 100)
        machine.clock.heard(DATE.format(second % 60).replace("08:00", f"08:{second // 60:02d}"), 0.1)

    machine.clock.sleep = sleep
    with pytest.raises(asyncio.CancelledError):
        await machine.clock.keep(ask)
    assert asked == [0, 50, 55, 60]


def test_the_clocks_of_this_machine_can_be_read():
    assert steady_seconds() <= steady_seconds()
    assert ClusterClock(Told()).now() == pytest.approx(SystemClock().now(), abs=1)
