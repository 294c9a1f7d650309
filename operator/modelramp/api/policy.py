"""Health policies: parameterized checks that a platform team writes and ModelDeployments refer to by name."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from modelramp.api.errors import InvalidSpec, Problem
from modelramp.api.quantity import as_text, number_or_text
from modelramp.api.rules import ApiModel, Rule, matches, problems_of

MOST_CHECKS = 32
"""Maximum number of checks of a policy, and of a ModelDeployment including those of its policies."""
MOST_POLICIES = 8
MOST_PARAMETERS = 32
LONGEST_PLACEHOLDER = 80
"""Maximum length of a placeholder in the place of a number or a duration."""

_PARAMETER = "[a-zA-Z][-_a-zA-Z0-9]*"
PLACEHOLDER = rf"\{{\{{ *params\.{_PARAMETER} *\}}\}}"
"""A placeholder for the value of a parameter, as a regular expression: {{params.maxErrorRate}}."""

_WITHIN = re.compile(rf"\{{\{{ *params\.({_PARAMETER}) *\}}\}}", re.ASCII)
_MALFORMED = re.compile(r"\{\{\s*params\b")
DNS_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
"""The name of a policy, as a regular expression."""
_BREAKING = r"\x22\x27\x60\\\x00-\x1f\x7f"
"""Characters of a value that could break out of a PromQL string: quotes, backslashes, line breaks."""


_UNSAFE = re.compile(rf"[{_BREAKING}]|\{{\{{|\}}\}}")
_MUST_BE_SAFE = "must hold no quotes, backslashes, line breaks, {{ or }}: it is put into queries as it stands"


class PolicyKind(StrEnum):
    """Scope of a policy: the ModelDeployments of its namespace, or those of all namespaces."""

    NAMESPACED = "HealthPolicy"
    CLUSTER = "ClusterHealthPolicy"


ParameterValue = Annotated[
    str,
    BeforeValidator(as_text),
    WithJsonSchema(number_or_text(256)),
]
"""The value of a parameter: a number, or a string of at most 256 characters that is safe inside a query."""


def _cel_safe(value: str) -> str:
    return f"(type({value}) != string || !{value}.matches(r'{_UNSAFE.pattern}'))"


def _is_safe(text: str) -> bool:
    return _UNSAFE.search(text) is None


ParameterName = Annotated[
    str,
    Field(max_length=63, description="Name of the parameter. Checks use it as {{params.NAME}}."),
    matches(_PARAMETER, "must begin with a letter and consist of letters, digits, '-' and '_', as in maxErrorRate"),
]


class PolicyReference(ApiModel):
    """Refers to a health policy, with values for its parameters."""

    kind: Annotated[PolicyKind, Field(description="HealthPolicy (of this namespace) or ClusterHealthPolicy.")] = (
        PolicyKind.NAMESPACED
    )
    name: Annotated[
        str,
        Field(max_length=253, description="Name of the policy."),
        matches(DNS_NAME, "must be the name of a policy: a-z, 0-9, '-' and '.', as in web-models"),
    ]
    parameters: Annotated[
        dict[str, ParameterValue],
        Field(
            max_length=MOST_PARAMETERS,
            description="Values of the parameters of the policy, as in {maxErrorRate: 0.01}.",
        ),
    ] = {}  # noqa: RUF012 - pydantic copies it and the model is frozen

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!has(self.parameters) || self.parameters.all(key, {_cel_safe('self.parameters[key]')})",
            _MUST_BE_SAFE,
            lambda self: all(map(_is_safe, self.parameters.values())),
            field=".parameters",
            reads_numbers=True,
        ),
    )

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Parameter(ApiModel):
    """A parameter of a policy."""

    name: ParameterName
    default: Annotated[
        ParameterValue | None,
        Field(description="Value if the reference sets none. A parameter without a default is required."),
    ] = None
    description: Annotated[
        str, Field(max_length=1024, description="Meaning of the parameter, for the authors of ModelDeployments.")
    ] = ""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!has(self.default) || {_cel_safe('self.default')}",
            _MUST_BE_SAFE,
            lambda self: self.default is None or _is_safe(self.default),
            field=".default",
            reads_numbers=True,
        ),
    )


class HealthPolicySpec(ApiModel):
    """Checks that apply to every ModelDeployment that refers to this policy in spec.health.policies.

    They are written as in spec.health.checks; {{params.NAME}} is replaced by the value of a parameter.
    """

    description: Annotated[str, Field(max_length=1024, description="Purpose of the policy, in a sentence.")] = ""
    parameters: Annotated[
        tuple[Parameter, ...],
        Field(
            max_length=MOST_PARAMETERS,
            description="Parameters that a reference to this policy may set.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    checks: Annotated[
        tuple[dict[str, Any], ...],
        Field(
            min_length=1,
            max_length=MOST_CHECKS,
            description="Checks as in spec.health.checks. Any string may contain {{params.NAME}}; a number or a "
            "duration may be a placeholder.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "",  # the list-map key says it to the API server
            "parameters[].name must be unique",
            lambda self: len({one.name for one in self.parameters}) == len(self.parameters),
            field=".parameters",
        ),
        Rule(
            "",  # the list-map key says it to the API server
            "checks[].name must be unique in a policy",
            lambda self: len({str(one.get("name")) for one in self.checks}) == len(self.checks),
            field=".checks",
        ),
    )


def parse_policy(raw: object) -> HealthPolicySpec:
    """The spec of a policy as it came from YAML or the API server.

    Raises InvalidSpec with one Problem for each field that is wrong, undeclared parameters among them. What the checks
    say with values for their parameters is not looked at: core.policies does that.
    """
    try:
        spec = HealthPolicySpec.model_validate(raw)
    except ValidationError as error:
        raise InvalidSpec(problems_of(error)) from None
    problems = tuple(undeclared(spec))
    if problems:
        raise InvalidSpec(problems)
    return spec


def undeclared(spec: HealthPolicySpec) -> Iterator[Problem]:
    """Every placeholder of a parameter that the policy does not declare, and every one that is malformed."""
    known = {one.name for one in spec.parameters}
    for path, text in texts(spec.checks, "spec.checks"):
        for name in placeholders(text):
            if name not in known:
                declared = f"declared are {', '.join(sorted(known))}" if known else "none is declared"
                yield Problem(path, f"{{{{params.{name}}}}} is no parameter of this policy; {declared}")
        if _MALFORMED.search(_WITHIN.sub("", text)):
            yield Problem(path, "write a parameter as {{params.NAME}}, its name of letters, digits, '-' and '_'")


def texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text inside a value, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from texts(inner, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from texts(inner, f"{path}[{index}]")


def placeholders(text: str) -> list[str]:
    """Names of the parameters that a text uses, in order.

    >>> placeholders("rate(x[{{window}}]) > {{params.low}}")
    ['low']
    """
    return _WITHIN.findall(text)


def filled(value: Any, values: Mapping[str, str]) -> Any:
    """A value with the parameters' values put in; `values` has all that it uses.

    >>> filled({"max": "{{params.most}}", "checks": ["{{ params.most }} s"]}, {"most": "5"})
    {'max': '5', 'checks': ['5 s']}
    """
    if isinstance(value, str):
        return _WITHIN.sub(lambda match: values[match[1]], value)
    if isinstance(value, Mapping):
        return {key: filled(inner, values) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [filled(inner, values) for inner in value]
    return value
