"""docs/reference/operating-curves.md, written from what was simulated: no number in it is typed by hand."""

from collections.abc import Iterator

from benchmarks.curves import BEFORE, FLOOR, HEALTHY, SICK, Curves, Measured
from benchmarks.levels import Level
from benchmarks.rules import LIMIT
from benchmarks.watching import HORIZON_TICKS, Delay, Estimate

FALSE_MOST, MEDIAN_MOST, WITHIN_TEN_LEAST, TARGET_TRAFFIC = 1.0, 5.0, 0.99, 30

HEAD = """# Operating curves

<!-- Made by `python -m benchmarks curves` from simulations with fixed seeds; do not edit. -->

What does a rule for rolling back cost, and what does it buy? Each row below is a rule of `modelramp.analysis` (the real
functions give every verdict) on simulated traffic: a Poisson number of requests a minute, one tick a minute, a limit of
{limit} on the error rate.

- *False rollbacks* come at a constant true rate of {healthy}, per 1,000 hours of rollouts that last an hour each.
- *Detection* counts ticks from the minute in which the rate becomes {sick} to the rollback.
  In a real rollout the first tick of a step, whose window reaches back before it, has no data: add up to one tick.
- In brackets: 95 % confidence intervals, from {hours:,} simulated hours and {changes:,} changes per row.

![False rollbacks against ticks to detection](operating-curves.svg)

The picture varies one setting of each rule: 1 to 5 breaches in a row for `threshold` and `ratio` (computed), alpha for
`sequential` (simulated, one breach rolls back). A point with an arrow lies lower than the picture can show, or no
false rollback was seen and it stands at the upper end of its interval. The line is Page's CUSUM for exactly this
change: it knows both rates, and at the same false alarms none has a shorter worst delay.
"""

MISSING = """
Not reached by the present code, and what would:

- `threshold` has too many false rollbacks at this traffic: one failed request of 30 is 3.3 %. No count of breaches in
  a row mends that and stays fast (see the picture); more requests a tick do, or another kind of check.
- `ratio` has nearly none, and needs too long: three minutes in a row must each bring their own evidence.
- `sequential` in the common count of three loses two ticks for nothing, as its evidence has already added up.
  With `failureThreshold: 1` on the check it reaches both targets for a version that is sick from the start of a step.
- After healthy ticks in the same step no setting of `sequential` reaches them: good requests outweigh the first bad
  ones. The row *proposal* would: the same verdicts at alpha 0.04, the evidence begun anew at every tick at which the
  rate counted so far keeps the limit (as a CUSUM forgets). The bound on alpha over all looks is then lost, and
  the false rollbacks in the tables take its place. It is no kind of check yet.
"""

READING = """
How to read it:

- **threshold**: at 30 requests a minute false rollbacks come several times a day, from 300 on there is nothing wrong
  with it. With exactly 30 requests in each minute, not 30 on average, there are more than twice as many.
- **ratio**: at 3 requests a minute it is hardly stricter than the threshold (one failed request of 3 has an interval
  from 6 % up): give it `minSamples` or a longer interval there.
- **sequential** adds up all requests since the step began. It is made for steps, where evidence begins anew; on the
  watch after promotion, after a healthy hour, it takes about half an hour.
- **optimal CUSUM**: its delays at no more than the false-alarm rate in brackets. That is the row's own: computed
  where ticks are independent, else simulated, or the upper end of the interval when fewer than ten were seen; {floor:g}
  per 1,000 hours where it is still lower. It begins with the change, which is its worst case; what is sick from the
  start of the evidence may be caught a little sooner, as a CUSUM must reckon with a change at any time.
"""

LEVELS = """
## Declared alphas

The share of runs without any difference in which a check ever calls a breach. *kept*: the interval lies below the
declared alpha or reaches down to it.

`sequential` over {looks} looks:
"""

DRIFT = """
`drift` between two samples of n each from one distribution in ten buckets, which are equal or halve from each to the
next (long tail). With the default limit a breach needs a distance that matters as well, so large samples never alarm;
limit 0 leaves the p-value alone:
"""

STABLE = """## Against the stable version

`sequential` as a comparison: the candidate has the requests of the first column, the stable version nine times as
many at a steady {healthy}; alpha 0.05, one breach rolls back; {hours:,} hours and {changes:,} changes a row. An alpha
of 5 % allows 50 false rollbacks in 1,000 rollouts; a smaller `alpha` allows fewer.
"""


def page(curves: Curves) -> str:
    """The whole page."""
    sizes, healthy = curves.sizes, _percent(HEALTHY)
    lines = [
        HEAD.format(
            limit=_percent(LIMIT), healthy=healthy, sick=_percent(SICK), hours=sizes.hours, changes=sizes.changes
        ),
        "## What was to be reached",
        "",
        *targets(curves),
        MISSING,
        "## All rules",
        "",
        *_table(curves.measured, optimum=True),
        READING.format(floor=FLOOR),
        STABLE.format(healthy=healthy, hours=2 * sizes.pairs, changes=sizes.pairs),
        *_table(curves.stable, optimum=False),
        LEVELS.format(looks=sizes.looks),
        *_levels([level for level in curves.levels if not level.test.startswith("drift")]),
        DRIFT,
        *_levels([level for level in curves.levels if level.test.startswith("drift")]),
    ]
    return "\n".join(line.rstrip() for line in "\n".join(lines).split("\n")).rstrip("\n") + "\n"


def targets(curves: Curves) -> Iterator[str]:
    """Each target with what each rule does, at the traffic for which it was set."""
    rows = [each for each in curves.measured if each.per_minute == TARGET_TRAFFIC]
    yield (
        f"At {TARGET_TRAFFIC} requests a minute: at most {FALSE_MOST:g} false rollback in 1,000 rollout-hours; a "
        f"change to {_percent(SICK)} caught with a median of {MEDIAN_MOST:g} ticks and in "
        f"{_percent(WITHIN_TEN_LEAST)} of cases within 10 ticks."
    )
    yield ""
    yield "| rule | false rollbacks | " + " | ".join(f"caught, {_when(ticks)}" for ticks in BEFORE) + " |"
    yield "|---|---|" + "---|" * len(BEFORE)
    for row in rows:
        rate = row.exact if row.exact is not None else row.false.value
        cells = [_met(rate <= FALSE_MOST, f"{rate:.3g}"), *map(_caught, row.delays)]
        yield f"| {row.rule} | " + " | ".join(cells) + " |"


def _caught(delay: Delay) -> str:
    met = delay.median.value <= MEDIAN_MOST and delay.within_ten.value >= WITHIN_TEN_LEAST
    return _met(met, f"median {delay.median.value:g}, within 10: {delay.within_ten.value * 100:.1f} %")


def _met(met: bool, found: str) -> str:
    return f"met: {found}" if met else f"**not met**: {found}"


def _table(rows: tuple[Measured, ...], *, optimum: bool) -> Iterator[str]:
    head = ["requests a minute", "rule", "false rollbacks per 1,000 h"]
    head += ["computed"] if optimum else []
    head += [f"ticks to detection, {_when(ticks)}: median; 99 %; within 10" for ticks in BEFORE]
    head += ["optimal CUSUM: median; 99 %"] if optimum else []
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for row in rows:
        cells = [f"{row.per_minute:,}", row.rule, _interval(row.false)]
        cells += ["" if row.exact is None else _small(row.exact)] if optimum else []
        cells += [_delay(delay) for delay in row.delays]
        cells += (
            [f"{row.optimum.median}; {row.optimum.ninety_nine} (at {_small(row.optimum.matched)})"] if optimum else []
        )
        yield "| " + " | ".join(cells) + " |"


def _levels(levels: list[Level]) -> Iterator[str]:
    yield "| test | setting | alpha | runs | alarms | |"
    yield "|---|---|---|---|---|---|"
    for level in levels:
        low, high = level.alarms.low * 100, level.alarms.high * 100
        alarms = f"{level.alarms.value * 100:.2f} % ({low:.2f} to {high:.2f})"
        kept = "kept" if level.kept else "**exceeded**"
        yield f"| {level.test} | {level.setting} | {level.alpha:g} | {level.runs:,} | {alarms} | {kept} |"


def _when(ticks: int) -> str:
    return f"after {ticks} healthy ticks" if ticks else "sick from the start"


def _interval(found: Estimate) -> str:
    return f"{found.value:.3g} ({found.low:.3g} to {found.high:.3g})"


def _delay(delay: Delay) -> str:
    median, late, soon = delay.median, delay.ninety_nine, delay.within_ten
    last = f"> {HORIZON_TICKS:,}" if late.value > HORIZON_TICKS else f"{late.value:g} ({late.low:g} to {late.high:g})"
    share = f"{soon.value * 100:.1f} % ({soon.low * 100:.1f} to {soon.high * 100:.1f})"
    return f"{median.value:g} ({median.low:g} to {median.high:g}); {last}; {share}"


def _small(rate: float) -> str:
    return "< 0.000001" if rate < 1e-6 else f"{rate:.3g}"


def _percent(rate: float) -> str:
    return f"{rate * 100:g} %"
