"""PromQL that presets are made of. A series text stands for `rate(metric{...}[{{window}}])`, grouped by its caller."""

from collections.abc import Callable

OWN = "namespace, modeldeployment, revision"
"""Labels of a pod's series, as the scrape configuration puts them there."""

TRUTH = "namespace, modeldeployment, answered_by"
"""Labels of late truth: the revision that gave the answer, whichever pod was told what was right."""

SERVER_ERROR = "5.."
"""Statuses that are the server's fault; it also matches the class `5xx`."""

Rate = Callable[[str, str, str], str]
"""Makes the summed rate of (metric, labels to group by, further matchers, each with a comma before it)."""


def rate(metric: str, by: str = OWN, matchers: str = "") -> str:
    """Rate a second of a counter that has the pod's labels."""
    return f'sum by ({by}) (rate({metric}{{modeldeployment!=""{matchers}}}[{{{{window}}}}]))'


def share(bad: str, total: str) -> str:
    """A part of the whole. A missing `bad` series is 0, as servers make it at the first error; no traffic is NaN."""
    return f"({bad} or {total} * 0) / {total}"


def total(done: str, failed: str) -> str:
    """All of two counters that exclude each other, either of which may not exist yet."""
    return f"(({done} + {failed}) or {done} or {failed})"


def mean(metric: str, by: str = OWN, matchers: str = "", scale: str = "") -> str:
    """Mean of a histogram, classic or native, or of a summary; `scale`, as in " / 1000", brings it to its unit."""
    of_counters = f"{rate(f'{metric}_sum', by, matchers)} / {rate(f'{metric}_count', by, matchers)}"
    return f"({of_counters} or histogram_avg({rate(metric, by, matchers)})){scale}"


def quantile(q: float, metric: str, by: str = OWN, matchers: str = "", scale: str = "", of: Rate = rate) -> str:
    """A quantile of a histogram, classic or native, that says +Inf when it lies beyond the last finite bucket.

    histogram_quantile() answers with that bucket's bound then, so that a limit at the bound could never be breached:
    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile. Of a native histogram's
    quantiles only those can be the highest value of all. `scale`, as in " / 1000", brings the value to its unit.
    """
    count = of(f"{metric}_count", by, matchers)
    buckets = of(f"{metric}_bucket", f"{by}, le", matchers)
    finite = of(f"{metric}_bucket", f"{by}, le", f'{matchers},le!="+Inf"')
    beyond = f"({count} * {q} > max by ({by}) ({finite})) * Inf"
    native = of(metric, by, matchers)
    above = f"(histogram_quantile({q}, {native}) == histogram_quantile(1, {native})) * Inf"
    return (
        f"({beyond}) or histogram_quantile({q}, {buckets}){scale} "
        f"or ({above}) or histogram_quantile({q}, {native}){scale}"
    )
