"""Which weights a route may show now, whatever the router.

A route never names a revision without ready endpoints: with some gateways its share fails, with others everybody
gets 404. And traffic moves only because of a decision: when what was decided cannot be served, the route stays.
"""

from collections.abc import Collection

from modelramp.api.names import Reason
from modelramp.core.state import RolloutEvent, State


def shown_weights(
    state: State, ready: Collection[str], named_now: Collection[str] = ()
) -> tuple[dict[str, int], RolloutEvent]:
    """The weight of each revision that may be named now, percent, and why; empty when traffic must stay as it is.

    A candidate without ready endpoints is left out, and stable gets its share. The other way round the candidate does
    not get the share of stable: that would be a step that nobody decided. Yet its own steps go on when stable has
    died under the route (`named_now`): each of them leaves the dead version less of the traffic.
    """
    wanted = state.weights
    stable = state.stable.revision if state.stable else None
    candidate = state.running.version.revision if state.running else None
    steps_on = candidate in ready and all(revision in ready or revision in named_now for revision in wanted)
    if wanted and (steps_on or all(revision in ready for revision in wanted)):
        return wanted, RolloutEvent(Reason.SERVING, "the route gives each version the weight that was decided")
    if stable is not None and stable in ready:
        left_out = ", ".join(wanted.keys() - {stable})
        text = f"{left_out} has no ready endpoint: it is left out of the route, and {stable} gets all traffic"
        return {stable: 100}, RolloutEvent(Reason.PODS_UNAVAILABLE, text, warning=True)
    return {}, RolloutEvent(Reason.ROUTE_PENDING, "there is no route yet: no version has a ready endpoint")
