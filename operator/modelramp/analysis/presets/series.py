"""PromQL that presets are made of."""

from collections.abc import Callable
from dataclasses import dataclass

from modelramp.analysis.stats.counters import WINDOW, increase

OWN = "namespace, modeldeployment, revision"
"""Labels of a pod's series, as the scrape configuration puts them there."""

TRUTH_OF = "namespace, modeldeployment, answered_by"
"""Labels of late truth: the revision that gave the answer, whichever pod was told what was right."""

SERVER_ERROR = "5.."
"""Statuses that are the server's fault; it also matches the class `5xx`."""
STATUS = "[1-5].."
"""Any status. A total asks for it, so that a label of another name or form is no data, not a share of 0."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the series of a preset come from.

    by: labels by which an object's series is found. target: labels that name what is scraped. everywhere: matchers that
    each selector has. relabel: makes the labels of `by` out of those that are there. scraped: a selector of `up`.
    births: whether series that are born in a window count from 0; see analysis.stats.counters.
    """

    by: str
    target: str
    everywhere: str
    relabel: Callable[[str], str] = str
    scraped: str = ""
    births: bool = True

    def select(self, metric: str, matchers: str = "") -> str:
        """A selector; further matchers have a comma before each."""
        return f"{metric}{{{self.everywhere}{matchers}}}"

    def summed(self, vector: str, also: str = "") -> str:
        """A vector of such series, one for each object. also: further labels to keep, each with a comma before it."""
        return f"sum by ({self.by}{also}) ({self.relabel(vector)})"

    def rate(self, metric: str, matchers: str = "", also: str = "") -> str:
        """Rate a second of a counter."""
        return self.summed(f"rate({self.select(metric, matchers)}{WINDOW})", also)

    def increases(self, metric: str, matchers: str = "", witness: str = "") -> str:
        """The increase over the window of each series, whole where it was born in it. witness: see births.increase."""
        selector = self.select(metric, matchers)
        if not self.births:
            return f"increase({selector}{WINDOW})"
        return increase(selector, witness or selector, self.target, self.scraped)

    def increase(self, metric: str, matchers: str = "", witness: str = "") -> str:
        """The same for each object."""
        return self.summed(self.increases(metric, matchers, witness))

    def alive(self, metric: str, matchers: str = "") -> str:
        """Something for each object that serves the metric."""
        return self.summed(f"last_over_time({self.select(metric, matchers)}{WINDOW})")


_OF_PODS = 'modeldeployment=~".+"'
POD = Origin(by=OWN, target=f"{OWN}, pod, instance, job", everywhere=_OF_PODS, scraped=f"up{{{_OF_PODS}}}")
"""The pods of a revision."""
TRUTH = Origin(by=TRUTH_OF, target=POD.target, everywhere=POD.everywhere, scraped=POD.scraped)
"""Whoever is told what the right answer was."""


def share(metric: str, bad: str, known: str, where: str = "", of: Origin = POD) -> str:
    """The part of a counter's events that a label calls bad, from 0 to 1; no event is NaN.

    Missing bad series are 0 beside living ones of the same counter, since servers make them at the first failure.
    bad, known: matchers of bad events, and of all whose label is read. where: matchers of both, each with a comma.
    """
    everything = f"{where},{known}"
    total = of.increase(metric, everything)
    failed = of.increase(metric, f"{where},{bad}", of.select(metric, everything))
    return f"({failed} or {of.alive(metric, everything)} * 0) / {total}"


def share_of_both(failed: str, done: str, bad: str = "", of: Origin = POD, otherwise: str = "") -> str:
    """The part that failed, where two counters that exclude each other count what failed and what was done.

    otherwise: stands for the failures where `failed` has no series, which may have another name; see unaccounted().
    Without it they are unknown, for servers that serve `failed` from the start.
    """
    witness = of.select(done)
    failures = of.increases(failed, bad, witness)
    both = of.summed(f'{of.increases(done)} or label_replace({failures}, "counter", "failed", "", "")')
    return f"({of.summed(failures)} or {otherwise or unknown(done, of)}) / {both}"


def unknown(alive: str, of: Origin = POD) -> str:
    """Nothing is known of failures, beside a living counter: less than any number of them."""
    return f"{of.alive(alive)} * 0 - Inf"


def unaccounted(failed: str, done: str, begun: str, of: Origin = POD, waiting: tuple[str, ...] = ()) -> str:
    """What stands for failures that have no series, of a server that makes it at the first one: 0, or their bound.

    Where `failed` is served for another reason, its name is known. Else what began and was not done may have failed
    under another name: so many below 0, that the check knows it for a bound and not for a number of failures.
    waiting: gauges of what has begun and has not ended.
    """
    changes = (of.summed(f"delta({of.select(gauge)}{WINDOW})") for gauge in waiting)
    more = "".join(f" + ({change} or {of.alive(done)} * 0)" for change in changes)
    # Births need no care here: the two are born together.
    both = (of.summed(f"increase({of.select(each)}{WINDOW})") for each in (done, begun))
    bound = f"clamp_max({f'{more} - '.join(both)}, 0)"
    return f"{of.alive(failed)} * 0 or {bound} or {unknown(done, of)}"


def share_of_known(bad: str, total: str, of: Origin = POD) -> str:
    """The part of `total` that another counter, `bad`, calls bad; -Inf where there is no such counter.

    A counter that is missing may have been given another name, so servers have to serve it from the start at 0.
    """
    failed = of.increase(bad, witness=of.select(total))
    return f"({failed} or {unknown(total, of)}) / {of.increase(total)}"


def part(some: str, total: str, of: Origin = POD) -> str:
    """The part of `total` that another counter counts; nothing where there is no such counter."""
    return f"{of.increase(some, witness=of.select(total))} / {of.increase(total)}"


def mean(metric: str, matchers: str = "", scale: str = "", of: Origin = POD) -> str:
    """Mean of a histogram, classic or native, or of a summary; `scale`, as in " / 1000", brings it to its unit."""
    of_counters = f"{of.rate(f'{metric}_sum', matchers)} / {of.rate(f'{metric}_count', matchers)}"
    return f"({of_counters} or histogram_avg({of.rate(metric, matchers)})){scale}"


def quantile(q: float, metric: str, matchers: str = "", scale: str = "", of: Origin = POD) -> str:
    """A quantile of a histogram, classic or native, that says +Inf when it lies beyond the last finite bucket.

    histogram_quantile() answers with that bucket's bound then, so that a limit at the bound could never be breached:
    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile. Of a native histogram's
    quantiles only those can be the highest value of all. `scale`, as in " / 1000", brings the value to its unit.
    """
    count = of.rate(f"{metric}_count", matchers)
    buckets = of.rate(f"{metric}_bucket", matchers, ", le")
    finite = of.rate(f"{metric}_bucket", f'{matchers},le!="+Inf"', ", le")
    beyond = f"({count} * {q} > max by ({of.by}) ({finite})) * Inf"
    native = of.rate(metric, matchers)
    above = f"(histogram_quantile({q}, {native}) == histogram_quantile(1, {native})) * Inf"
    return (
        f"({beyond}) or histogram_quantile({q}, {buckets}){scale} "
        f"or ({above}) or histogram_quantile({q}, {native}){scale}"
    )
