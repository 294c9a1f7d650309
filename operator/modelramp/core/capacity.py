"""How many pods are enough."""

from modelramp.core.state import Seen, State, Target


def needed(replicas: int, weight: int) -> int:
    """Pods that must be available for a share of the traffic: at least three quarters of that share, at least one.

    The quarter is what a Deployment tolerates by default (maxUnavailable 25 %): a node drain is no breach.
    >>> needed(1, 10), needed(4, 100), needed(10, 50)
    (1, 3, 3)
    """
    return max(1, replicas * weight * 3 // 400)


def all_available(target: Target, seen: Seen, revision: str) -> bool:
    """Whether a revision is ready for its first traffic: every pod available, and an endpoint to name in a route."""
    pods = seen.pods.get(revision)
    return pods is not None and pods.available >= target.spec.replicas and pods.endpoints > 0


def enough_available(target: Target, state: State, seen: Seen) -> bool:
    """The built-in check: the subject has enough available pods for its share of the traffic.

    After promotion one pod is enough: more is the autoscaler's matter, not the model's.
    """
    pods = seen.pods.get(state.subject or "")
    if pods is None:
        return False
    running = state.running
    return pods.available >= (needed(target.spec.replicas, running.weight) if running else 1)
