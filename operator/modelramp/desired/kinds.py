"""The kinds that the operator makes and watches: those of the routers and workloads, and the few that all need."""

from modelramp.api.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    ENDPOINT_SLICE,
    JOB,
    MODEL_DEPLOYMENT,
    NAMESPACE,
    POLICIES,
    SERVICE,
    WRITTEN,
    Kind,
)
from modelramp.api.names import LABEL_DEPLOYMENT
from modelramp.desired.routers import ROUTERS, maker_of, route_kinds
from modelramp.desired.workloads import workload_kinds


def owned() -> tuple[Kind, ...]:
    """Kinds of which the operator makes objects, in the order in which they are made."""
    return (CONTROLLER_REVISION, CONFIG_MAP, *workload_kinds(), SERVICE, *route_kinds(), JOB)


def watched() -> tuple[Kind, ...]:
    """Kinds that the store keeps; ModelDeployments last: policies and children are known when they are decided."""
    children = (CONTROLLER_REVISION, CONFIG_MAP, SERVICE, *workload_kinds(), ENDPOINT_SLICE, *route_kinds(), JOB)
    return (*POLICIES, NAMESPACE, *children, MODEL_DEPLOYMENT)


def selector(kind: Kind) -> str:
    """The label selector with which a kind is listed and watched; "" for what people write."""
    return "" if kind in WRITTEN else LABEL_DEPLOYMENT


def pruned() -> tuple[Kind, ...]:
    """Kinds of which unwanted objects are deleted, in that order: what is forgotten last is how to bring it back."""
    return (JOB, *workload_kinds(), SERVICE, CONFIG_MAP, CONTROLLER_REVISION, *reversed(route_kinds()))


def dispensable(kind: Kind) -> bool:
    """Whether only some ModelDeployments need a kind. Where older rights refuse it, the rest goes on."""
    return kind in {*POLICIES, NAMESPACE, CONFIG_MAP, JOB} or kind in {
        made for router in ROUTERS[1:] for made in router.kinds
    }


def may_be_absent(kind: Kind) -> bool:
    """Whether a cluster may not know a kind: no router's CRDs are installed everywhere."""
    return maker_of(kind.kind) is not None
