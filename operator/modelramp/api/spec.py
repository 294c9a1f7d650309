"""The spec of a ModelDeployment: which model version should serve, and how it gets there."""

import json
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from modelramp.api.abtest import Unit
from modelramp.api.errors import InvalidSpec, Problem
from modelramp.api.health import Health
from modelramp.api.quantity import as_text, number_or_text
from modelramp.api.rollout import AfterPromotion, Rollout
from modelramp.api.routing import Routing
from modelramp.api.rules import ApiModel, Rule, matches, problems_of

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Of the names of revisions, as Kubernetes has it for its own hashes: no vowels, no words."""
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
OfflineResult = Annotated[str, BeforeValidator(as_text), WithJsonSchema(number_or_text(1024)), Field(max_length=1024)]
"""A number or a text; kept as text, so that 0.962 and "0.962" are the same revision."""


class Lineage(ApiModel):
    """Provenance of the model; recorded with the revision for audits."""

    trained_on: Annotated[str, Field(max_length=1024, description="Name and version of the training data.")] = ""
    git_commit: Annotated[str, Field(max_length=64, description="Commit of the training code.")] = ""
    metrics: Annotated[
        dict[str, OfflineResult], Field(max_length=64, description="Offline metrics, such as accuracy: 0.962.")
    ] = {}  # noqa: RUF012 - pydantic copies it and the model is frozen


class Model(ApiModel):
    """The model version to serve; part of the revision."""

    name: Annotated[str, Field(min_length=1, max_length=253, description="Name of the model in its registry.")]
    version: Annotated[str, Field(min_length=1, max_length=128, description="Human-readable version of the model.")]
    uri: Annotated[str, Field(max_length=2048, description="Location of the artifact: models:/, s3://, oci:// ...")] = (
        ""
    )
    digest: Annotated[
        str,
        Field(max_length=200, description="Digest of the artifact, such as sha256:9f86d0..."),
        matches("([a-z0-9]+:[a-f0-9]{32,128})?", "must be algorithm:hex, as in sha256: and 64 digits of 0-9 and a-f"),
    ] = ""
    lineage: Annotated[Lineage, Field(description="Provenance of the model.")] = Lineage()


def _is_port(port: int | str) -> bool:
    if isinstance(port, int):
        return 1 <= port <= 65535
    return len(port) <= 15 and re.fullmatch(_LABEL, port) is not None and re.search("[a-z]", port) is not None


class Service(ApiModel):
    """The port of the Service of each revision."""

    port: Annotated[int, Field(ge=1, le=65535, description="Port of the Services that modelramp creates.")] = 80
    target_port: Annotated[
        int | str,
        Field(
            description="Number or name of the container's port.",
            json_schema_extra={"x-kubernetes-int-or-string": True},
        ),
        Rule(
            "type(self) == int ? self >= 1 && self <= 65535 : "
            "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && size(self) <= 15 && self.matches('[a-z]')",
            "must be a port number from 1 to 65535, or the name of a container's port: at most 15 of a-z, 0-9 and '-', "
            "with a letter, as in http",
            _is_port,
        ),
    ] = "http"

    stable_name: Annotated[
        str,
        Field(
            max_length=63,
            description="Name of one more Service, which reaches the stable version.",
        ),
        matches(
            "([a-z]([-a-z0-9]*[a-z0-9])?)?",
            "must be a name of a-z, 0-9 and '-', as in digits-stable",
        ),
        Rule(
            f"!self.matches('-[{ALPHABET}]{{10}}$')",
            "must not end like the Services of revisions, as in -7c9f2m4kzq",
            lambda name: re.search(f"-[{ALPHABET}]{{10}}$", name) is None,
        ),
    ] = ""


class WorkloadReference(ApiModel):
    """A workload that belongs to somebody else: modelramp reads its pod template and writes its spec.replicas only."""

    kind: Annotated[Literal["Deployment"], Field(description="Its kind.")] = "Deployment"
    name: Annotated[str, Field(min_length=1, max_length=253, description="Its name, in this namespace.")]


class TrackConfig(ApiModel):
    """What is part of a revision beside the template and the model; switching it on or off starts no rollout."""

    # default_factory: not filled in by the API server (tests/unit/api/test_what_the_server_fills_in.py)
    config_maps: Annotated[
        bool,
        Field(default_factory=lambda: True, description="ConfigMaps: each revision's pods read copies of their own."),
    ]


class ModelDeploymentSpec(ApiModel):
    """The desired model version, and how it is rolled out and checked."""

    replicas: Annotated[
        int,
        Field(
            ge=0,
            le=1000,
            description="Pods that serve. 0 pauses serving: no version has pods, nothing is judged, a rollout waits.",
        ),
    ] = 1
    model: Annotated[Model, Field(description="The model version. A change starts a rollout.")]
    template: Annotated[
        dict[str, Any], Field(description="Pod template, as in a Deployment. A change starts a rollout.")
    ] = {}  # noqa: RUF012 - pydantic copies it and the model is frozen
    workload_ref: Annotated[
        WorkloadReference | None,
        Field(description="A Deployment to take the template and the place of."),
    ] = None
    track_config: Annotated[
        TrackConfig | None,
        Field(description="Makes the content of what the template names part of the revision."),
    ] = None
    service: Annotated[Service, Field(description="The port under which the model is served.")] = Service()
    routing: Annotated[Routing, Field(description="What splits the traffic.")]
    rollout: Annotated[Rollout, Field(description="How traffic moves to a new version.")] = Rollout()
    health: Annotated[Health, Field(description="The checks that define a healthy version.")] = Health()
    after_promotion: Annotated[
        AfterPromotion, Field(description="What happens after the rollout: the checks go on.")
    ] = AfterPromotion()

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.template) != has(self.workloadRef)",
            "needs either template or workloadRef, a Deployment that has it",
            lambda self: ("template" in self.model_fields_set) != (self.workload_ref is not None),
        ),
        Rule(
            "!has(self.rollout) || !has(self.rollout.blueGreen) || !has(self.rollout.blueGreen.previewHostnames) || "
            "!has(self.routing.gateway) || !has(self.routing.gateway.hostnames) || "
            "self.rollout.blueGreen.previewHostnames.all(h, !(h in self.routing.gateway.hostnames))",
            "previewHostnames must not be hostnames of spec.routing too: one host reaches either the preview or what "
            "serves",
            lambda self: not _both(self),
            field=".rollout.blueGreen.previewHostnames",
        ),
        Rule(
            "!has(self.rollout) || !has(self.rollout.blueGreen) || !has(self.rollout.blueGreen.previewHostnames) || "
            "size(self.rollout.blueGreen.previewHostnames) == 0 || has(self.routing.gateway)",
            "previewHostnames need spec.routing.gateway",
            lambda self: self.routing.gateway is not None or not _previewed(self),
            field=".rollout.blueGreen.previewHostnames",
        ),
        Rule(
            "!has(self.rollout) || !has(self.rollout.abTest) || !has(self.routing.traefik) || "
            "!has(self.routing.traefik.sticky) || "
            "(has(self.rollout.abTest.unit) && self.rollout.abTest.unit == 'User')",
            "must be User: routing.traefik.sticky assigns users, and requests of one user depend on each other",
            lambda self: not _users_for_requests(self),
            field=".rollout.abTest.unit",
        ),
    )


def _previewed(spec: ModelDeploymentSpec) -> set[str]:
    blue_green = spec.rollout.blue_green
    return set(blue_green.preview_hostnames) if blue_green is not None else set()


def _users_for_requests(spec: ModelDeploymentSpec) -> bool:
    test, traefik = spec.rollout.ab_test, spec.routing.traefik
    sticky = traefik is not None and traefik.sticky is not None
    return sticky and test is not None and test.unit is not Unit.USER


def _both(spec: ModelDeploymentSpec) -> set[str]:
    gateway = spec.routing.gateway
    return _previewed(spec) & set(gateway.hostnames) if gateway is not None else set()


OBJECT_RULES = (
    Rule(
        "size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "metadata.name must have at most 63 characters of a-z, 0-9 and '-', begin with a letter and end with a letter "
        "or digit, because Services are named after it",
        lambda name: len(name) <= 63 and re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name) is not None,
        field=".metadata.name",
    ),
)
"""Rules of the whole object; `holds` takes metadata.name."""


MOST_BYTES = 256 << 10
"""Bytes of a spec as JSON: what `kubectl apply` can bear, and what bounds the operator's memory for one object."""


def parse_spec(raw: object) -> ModelDeploymentSpec:
    """The spec of an object as it came from YAML or the API server.

    Raises InvalidSpec with one Problem for each field that is wrong, or one for the whole when it is too large.
    """
    size = len(json.dumps(raw, separators=(",", ":"), ensure_ascii=False, default=str).encode(errors="replace"))
    if size > MOST_BYTES:
        text = f"has {size >> 10} KiB as JSON, at most {MOST_BYTES >> 10} are read; put large texts into a ConfigMap"
        raise InvalidSpec((Problem("spec", text),))
    try:
        return ModelDeploymentSpec.model_validate(raw)
    except ValidationError as error:
        raise InvalidSpec(problems_of(error)) from None
