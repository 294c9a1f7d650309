"""docs/reference/operating-curves.md, written from what was simulated: no number in it is typed by hand."""

from collections.abc import Iterator, Sequence

from benchmarks.chances import least_error
from benchmarks.curves import BEFORE, FLOOR, HEALTHY, SICK, Curves, Measured
from benchmarks.levels import Level, LongRun
from benchmarks.rules import LIMIT
from benchmarks.watching import HORIZON_TICKS, Delay, Estimate

FALSE_MOST, MEDIAN_MOST, WITHIN_TEN_LEAST, TARGET_TRAFFIC = 1.0, 5.0, 0.99, 30

HEAD = """# Operating curves

<!-- Made by `python -m benchmarks curves` from simulations with fixed seeds, in some minutes; do not edit. -->

What does a rule for rolling back cost, and what does it buy? Each row below is a rule of `modelramp.analysis` (the real
functions give every verdict) on simulated traffic: a Poisson number of requests a minute, one tick a minute, a limit of
{limit} on the error rate.

- *False rollbacks* come at a constant true rate of {healthy}, per 1,000 hours of rollouts that last an hour each.
- *Detection* counts ticks from the minute in which the rate becomes {sick} to the rollback.
  In a real rollout the first tick of a step, whose window reaches back before it, has no data: add up to one tick.
- In brackets: 95 % confidence intervals, from {hours:,} simulated hours and {changes:,} changes per row.

![False rollbacks against ticks to detection](operating-curves.svg)

The picture varies one setting of each rule: 1 to 5 breaches in a row for `threshold` and `ratio` (computed), alpha for
`sequential` (simulated, one breach rolls back; *difference* and *change* are what it detects). A point with an arrow
lies lower than the picture can show, or no
false rollback was seen and it stands at the upper end of its interval. The line is Page's CUSUM for exactly this
change: it knows both rates, and at the same false alarms none has a shorter worst delay.
"""

MISSING = """
- `threshold` has too many false rollbacks at this traffic: one failed request of 30 is 3.3 %. No count of breaches in
  a row mends that and stays fast (see the picture); more requests a tick do, or another kind of check.
- `ratio` has nearly none, and needs too long: three minutes in a row must each bring their own evidence.
- `sequential` in the common count of three loses two ticks for nothing, as its evidence has already added up:
  give it `failureThreshold: 1`.
- With `detect: difference` it reaches both targets for a version that is sick from the start of a step. After healthy
  ticks in the same step no alpha does: good requests outweigh the first bad ones.
- With `detect: change` (alpha 0.01 a look, the default) it reaches both, whenever the change comes.

What `change` gives up is the bound on alpha over *all* looks, and against a limit no test could keep it: whatever finds
a rise from exactly the limit to {sick} within ten ticks in 99 % of cases, at any time, calls {bound_ten:.2g} % of all
ten ticks at the limit wrongly, and so errs within 500 looks with a chance of {bound_looks:.0f} % (Neyman and Pearson,
with the requests of ten ticks). Against the stable version a change to {sick} is so much plainer that both can be had.
"""

READING = """
How to read it:

- **threshold**: at 30 requests a minute false rollbacks come several times a day, from 300 on there is nothing wrong
  with it. With exactly 30 requests in each minute, not 30 on average, there are more than twice as many.
- **ratio** has `minSamples: 1` here. At 3 requests a minute it is hardly stricter than the threshold (one failed
  request of 3 has an interval from 6 % up): give it more samples or a longer interval there. Without `minSamples` it
  has no data until five requests of a tick have failed: it finds nothing at 3 requests a minute and little at 30.
- **sequential difference** adds up all requests since the step began. It is made for steps, where evidence begins anew;
  on the watch after promotion, after a healthy hour, it takes about half an hour.
- **sequential change** (alpha 0.01 a look) does not mind how long all was well.
- **optimal CUSUM**: its delays at no more than the false-alarm rate in brackets. That is the row's own: computed
  where ticks are independent, else simulated, or the upper end of the interval when fewer than ten were seen; {floor:g}
  per 1,000 hours where it is still lower. It knows the rate before ({healthy}) and after ({sick}); the checks know the
  limit only. It begins with the change, which is its worst case; what is sick from the start of the evidence may be
  caught a little sooner, as a CUSUM must reckon with a change at any time.
"""

LEVELS = """
## Declared alphas

The share of runs without any difference in which a check ever calls a breach. *kept*: at the declared alpha, so many
alarms or more come in more than one of 1,000 such tables; the interval is the usual one of 95 %.

`sequential` over {looks} looks. `detect: difference` declares alpha for all looks, `detect: change` for each look, here
such that they come to 0.05 over all:
"""

LONG_RUNS = """
`sequential` with `detect: change` in the long run, at a true rate that lies exactly at the limit, the worst that is
still healthy (alpha 0.01 a look, the default; at {healthy} see the false rollbacks above):

| traffic | looks to a false alarm, at least | simulated | |
|---|---|---|---|"""

DRIFT = """
`drift` between two samples of one distribution in ten buckets, which are equal or halve from each to the next (long
tail); n each, or the reference ten times or a tenth of that. With the default limit a breach needs a distance that
matters as well, so large samples never alarm; limit 0 leaves the p-value alone:
"""

STABLE = """## Against the stable version

`sequential` as a comparison: the candidate has the requests of the first column, the stable version nine times as
many at a steady {healthy}; one breach rolls back. `difference` with alpha 0.05 over all looks allows 50 false rollbacks
in 1,000 rollouts ({stepped:,} hours and {pairs:,} changes a row, look by look); `change` with alpha 0.00002 a look
allows 1.2 in 1,000 hours ({hours:,} hours and {changes:,} changes).
"""


def page(curves: Curves) -> str:
    """The whole page."""
    sizes, healthy, sick = curves.sizes, _percent(HEALTHY), _percent(SICK)
    lines = [
        HEAD.format(limit=_percent(LIMIT), healthy=healthy, sick=sick, hours=sizes.hours, changes=sizes.changes),
        "## What was to be reached",
        "",
        *targets(curves),
        missing(),
        "## All rules",
        "",
        *_table(curves.measured, optimum=True),
        READING.format(floor=FLOOR, healthy=healthy, sick=sick),
        STABLE.format(
            healthy=healthy, stepped=2 * sizes.pairs, pairs=sizes.pairs, hours=sizes.hours, changes=sizes.changes
        ),
        *_table(curves.stable, optimum=False),
        LEVELS.format(looks=sizes.looks),
        *_levels(curves.levels),
        LONG_RUNS.format(healthy=healthy),
        *map(_long_run, curves.long_runs),
        DRIFT,
        *_levels(curves.drift),
    ]
    return "\n".join(line.rstrip() for line in "\n".join(lines).split("\n")).rstrip("\n") + "\n"


def missing() -> str:
    """What each rule reaches, and what none can."""
    ten = least_error(TARGET_TRAFFIC * 10, LIMIT, SICK, WITHIN_TEN_LEAST)
    return MISSING.format(sick=_percent(SICK), bound_ten=ten * 100, bound_looks=(1 - (1 - ten) ** 50) * 100)


def targets(curves: Curves) -> Iterator[str]:
    """Each target with what each rule does, at the traffic for which it was set."""
    rows = [each for each in curves.measured if each.per_minute == TARGET_TRAFFIC]
    yield (
        f"At {TARGET_TRAFFIC} requests a minute: at most {FALSE_MOST:g} false rollback in 1,000 rollout-hours; a "
        f"change to {_percent(SICK)} caught with a median of {MEDIAN_MOST:g} ticks and in "
        f"{_percent(WITHIN_TEN_LEAST)} of cases within 10 ticks."
    )
    yield ""
    when = " | ".join(f"caught, {_when(ticks)}" for ticks in BEFORE)
    yield f"| rule | false rollbacks | {when} | optimal CUSUM at as many |"
    yield "|---|---|" + "---|" * (len(BEFORE) + 1)
    for row in rows:
        rate = row.exact if row.exact is not None else row.false.value
        cells = [_met(rate <= FALSE_MOST, f"{rate:.3g}"), *map(_caught, row.delays), _optimum(row)]
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
        cells += [_optimum(row)] if optimum else []
        yield "| " + " | ".join(cells) + " |"


def _optimum(row: Measured) -> str:
    found = row.optimum
    return "" if found is None else f"{found.median}; {found.ninety_nine} (at {_small(found.matched)})"


def _long_run(run: LongRun) -> str:
    looks, kept = run.looks, "kept" if run.kept else "**exceeded**"
    return f"| {run.setting} | {run.promised:g} | {looks.value:,.0f} ({looks.low:,.0f} to {looks.high:,.0f}) | {kept} |"


def _levels(levels: Sequence[Level]) -> Iterator[str]:
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
