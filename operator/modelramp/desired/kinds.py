"""The kinds that the operator makes and watches: those of the routers and workloads, and the few that all need."""

from modelramp.api.kinds import CONTROLLER_REVISION, JOB, POLICIES, SERVICE
from modelramp.desired.routers.gateway_api import HTTP_ROUTE
from modelramp.desired.workloads.deployment import DEPLOYMENT

DISPENSABLE = frozenset({*POLICIES, JOB})
"""Kinds that only some ModelDeployments need. Where rights from before they existed refuse them, the rest goes on."""

OWNED = (CONTROLLER_REVISION, DEPLOYMENT, SERVICE, HTTP_ROUTE, JOB)
"""Kinds of which the operator makes objects, in the order in which they are made."""
