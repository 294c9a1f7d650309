"""A blue/green rollout: the new version is previewed at full size, then gets all traffic at once."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from modelramp.api.hostname import Hostname
from modelramp.api.quantity import Duration
from modelramp.api.rules import ApiModel


class Switch(StrEnum):
    """Who gives all traffic to the new version."""

    AUTOMATIC = "Automatic"
    MANUAL = "Manual"


class BlueGreen(ApiModel):
    """The new version runs at full size without live traffic, is previewed, and then gets all traffic at once."""

    preview_hostnames: Annotated[
        tuple[Hostname, ...],
        Field(
            max_length=16,
            description="Host names that reach the new version only, from the preview until its promotion.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    preview_duration: Annotated[
        Duration | None,
        Field(description="Least time of the preview before the switch; spec.rollout.stepDuration if not set."),
    ] = None
    preview_checks: Annotated[
        tuple[Annotated[str, Field(max_length=63)], ...] | None,
        Field(
            max_length=64,
            description="Names of the checks that judge the preview; the other checks begin after the switch. All "
            "checks if not set. With [] only the pods count.",
            json_schema_extra={"x-kubernetes-list-type": "set"},
        ),
    ] = None
    switch: Annotated[
        Switch,
        Field(
            description="Automatic: all traffic moves after a healthy preview. Manual: it waits for a person's request "
            "to promote."
        ),
    ] = Switch.AUTOMATIC
