"""Parameters of every query, so that all servers of the Prometheus API treat it alike."""

from typing import Final

ALWAYS: Final = {
    # Thanos and VictoriaMetrics fail instead of leaving out a store that is down: a part of the data would look like
    # all of it.
    "partial_response": "false",
    "deny_partial_response": "1",
    # VictoriaMetrics answers a question about the last 30 s (-search.latencyOffset) for an earlier instant, with the
    # asked one in the answer; it takes no zero. What it may cache, it moves to multiples of the step.
    "latency_offset": "1ms",
    "nocache": "1",
}
"""Parameters that servers ignore if they do not know them."""


def parameters(timeout: float) -> dict[str, str]:
    """The form's fields beside the query and its instants. timeout: seconds after which the server gives up."""
    # Whole milliseconds are the one form that all servers read.
    return {"timeout": f"{max(1, round(timeout * 1000))}ms", **ALWAYS}
