"""What the next rollout needs beside what runs, before its first pod: pods at its peak, and what they ask for.

Sources: of what a pod asks for, kubernetes.io/docs/concepts/workloads/pods/init-containers, "Resource sharing within
containers"; of the names in a quota, kubernetes.io/docs/concepts/policy/resource-quotas.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from modelramp.api.quantity import parse_quantity
from modelramp.api.rollout import CandidatePods
from modelramp.api.spec import ModelDeploymentSpec

Amounts = dict[str, Decimal]
"""How much, by resource."""
Object = Mapping[str, Any]

_NOTHING = Decimal(0)
_PODS = {"pods", "count/pods"}
_REQUESTS, _LIMITS = "requests.", "limits."
_ENDED = {"Succeeded", "Failed"}
_EXCEEDED = re.compile(
    r"exceeded quota: ([^ ,]{1,253}), requested: ([^ ]{1,1000}), used: ([^ ]{1,1000}), limited: ([^ ]{1,1000})"
)
_ON_NODES = "on the nodes"


@dataclass(frozen=True, slots=True)
class Shortage:
    """A resource of which less is left than the peak needs.

    pods: for how many more there is room. where: "on the nodes", or in which quota.
    """

    resource: str
    needed: Decimal
    left: Decimal
    pods: int
    where: str

    def __str__(self) -> str:
        leaves = "the nodes have free" if self.where == _ON_NODES else f"{self.where.removeprefix('in ')} leaves"
        return f"{self.needed - self.left:f} more {self.asked} than {leaves}"

    @property
    def asked(self) -> str:
        """The resource as a container asks for it: a quota has it under requests. or limits."""
        return _as_asked(self.resource)


def peak(spec: ModelDeploymentSpec) -> int:
    """Pods that the next rollout may have above spec.replicas."""
    capacity, replicas = spec.rollout.capacity, spec.replicas
    if spec.rollout.strategy == "Replace":
        return 0
    if capacity.candidate is CandidatePods.FULL:
        return replicas
    bounds = capacity.surge_amounts
    if not bounds:
        return min(replicas, capacity.surge(replicas))
    asks = asks_for(spec.template, bounds)
    return min([replicas, *(int(surge // asks[name]) for name, surge in bounds.items() if asks.get(name))])


def asks_for(template: Object, resources: Iterable[str]) -> Amounts:
    """What a pod of a template asks for of some resources; those that no container names are left out."""
    found = _asked(template, "requests")
    return {name: found[name] for name in resources if name in found}


def of_quotas(spec: ModelDeploymentSpec, quotas: Iterable[Object], more: int) -> Iterator[Shortage]:
    """What the quotas of the namespace do not leave for so many more pods; those with scopes are passed over."""
    requests, limits = _asked(spec.template, "requests"), _asked(spec.template, "limits")
    for quota in quotas:
        wanted, status = quota.get("spec") or {}, quota.get("status") or {}
        if wanted.get("scopes") or wanted.get("scopeSelector"):
            continue
        used = _amounts(status.get("used"))
        for name, hard in _amounts(status.get("hard")).items():
            if name in _PODS:
                each = Decimal(1)
            elif name.startswith(_LIMITS):
                each = limits.get(name.removeprefix(_LIMITS), _NOTHING)
            else:
                each = requests.get(name.removeprefix(_REQUESTS), _NOTHING)
            left = hard - used.get(name, _NOTHING)
            yield from _short(more, name, each, left, f"in ResourceQuota {quota['metadata']['name']}")


def beyond_quota(words: str, more: int) -> str:
    """What so many more pods need beyond the quota that refuses them, in its own words; empty where none does.

    words: of the API server, as in: exceeded quota: gpus, requested: cpu=1, used: cpu=8, limited: cpu=8
    """
    found = _EXCEEDED.search(words)
    if found is None:
        return ""
    name, *lists = found.groups()
    requested, used, limited = (_amounts(dict(_pairs(text))) for text in lists)
    gaps = {
        _as_asked(one): each * more - limited[one] + used[one]
        for one, each in requested.items()
        if one in used and one in limited
    }
    needs = [f"{gap:f} more {one}" for one, gap in gaps.items() if gap > 0]
    return f"the rollout needs {', '.join(needs)} than ResourceQuota {name} leaves" if needs else ""


def _as_asked(resource: str) -> str:
    return resource.removeprefix(_REQUESTS).removeprefix(_LIMITS)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for pair in text.split(","):
        name, _, amount = pair.partition("=")
        yield name, amount


def of_nodes(
    spec: ModelDeploymentSpec, nodes: Iterable[Object], pods: Iterable[Object], more: int
) -> Iterator[Shortage]:
    """The devices, such as nvidia.com/gpu, that no node has free for so many more pods.

    Where a pod fits otherwise, the scheduler knows.

    pods: of all namespaces.
    """
    requests = devices(spec)
    if not requests:
        return
    left = dict.fromkeys(requests, _NOTHING)
    for node in nodes:
        if not (node.get("spec") or {}).get("unschedulable"):
            allocatable = _amounts((node.get("status") or {}).get("allocatable"))
            left = {name: amount + allocatable.get(name, _NOTHING) for name, amount in left.items()}
    for pod in pods:
        if (pod.get("status") or {}).get("phase") not in _ENDED and (pod.get("spec") or {}).get("nodeName"):
            taken = _asked(pod, "requests")
            left = {name: amount - taken.get(name, _NOTHING) for name, amount in left.items()}
    for name, each in requests.items():
        yield from _short(more, name, each, left[name], _ON_NODES)


def devices(spec: ModelDeploymentSpec) -> Amounts:
    """What a pod asks for that nodes have as whole devices."""
    return {name: amount for name, amount in _asked(spec.template, "requests").items() if "/" in name}


def _short(more: int, name: str, each: Decimal, left: Decimal, where: str) -> Iterator[Shortage]:
    if each > 0 and each * more > left:
        yield Shortage(name, each * more, max(left, _NOTHING), max(0, int(left // each)), where)


def _asked(pod: Mapping[str, Any], what: str) -> Amounts:
    """What a pod or a template asks for. what: requests or limits; a limit is a request where none is written."""
    spec = pod.get("spec") or {}
    serving: Amounts = {}
    for container in spec.get("containers") or ():
        serving = _sum(serving, _of_container(container, what))
    beside: Amounts = {}
    starting: Amounts = {}
    for container in spec.get("initContainers") or ():
        needed = _sum(beside, _of_container(container, what))
        starting = {name: max(starting.get(name, _NOTHING), amount) for name, amount in (starting | needed).items()}
        if container.get("restartPolicy") == "Always":
            beside = needed
    serving = _sum(serving, beside)
    most = {name: max(serving.get(name, _NOTHING), amount) for name, amount in (serving | starting).items()}
    return _sum(most, _amounts(spec.get("overhead")))


def _of_container(container: Mapping[str, Any], what: str) -> Amounts:
    resources = container.get("resources") or {}
    return {**_amounts(resources.get("limits")), **_amounts(resources.get(what))}


def _sum(some: Amounts, others: Amounts) -> Amounts:
    return {name: some.get(name, _NOTHING) + others.get(name, _NOTHING) for name in dict.fromkeys((*some, *others))}


def _amounts(found: Any) -> Amounts:
    amounts: Amounts = {}
    for name, text in (found if isinstance(found, Mapping) else {}).items():
        try:
            amounts[str(name)] = parse_quantity(str(text))
        except ValueError:
            continue
    return amounts
