"""Lint of health policies: what the API server refuses, what would break for their users, what is unused."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from modelramp.analysis.kinds import check_kind
from modelramp.api.advice import Advice, Level
from modelramp.api.check import Check
from modelramp.api.crd import models
from modelramp.api.errors import InvalidSpec, Problem
from modelramp.api.health import Health
from modelramp.api.policy import HealthPolicySpec, filled, parse_policy, placeholders, texts
from modelramp.api.rules import BROKEN_RULE, problem_of

_PROBES = ("0.5", "1", "60s", "2")
"""Values tried for a parameter that has none; the words of every field that takes one of some words follow."""


def policy_problems(raw: object) -> Iterator[Problem]:
    """What breaks a rule in a policy's spec, as far as it can be known without the values of its parameters."""
    try:
        spec = parse_policy(raw)
    except InvalidSpec as refusal:
        yield from refusal.problems
        return
    for index, check in enumerate(spec.checks):
        unsure = set(_lacking(spec, check))
        for error in _errors(check, _values(spec, check)):
            if not unsure or _certain(check, error, unsure):
                yield problem_of(error, f"spec.checks[{index}]")


def policy_advice(spec: HealthPolicySpec) -> Iterator[Advice]:
    """Warnings about a policy whose checks follow the rules, and errors where all parameters have a default."""
    used = {name for _, text in texts(spec.checks, "") for name in placeholders(text)}
    for index, parameter in enumerate(spec.parameters):
        if parameter.name not in used:
            message = f"no check uses {{{{params.{parameter.name}}}}}: setting it has no effect"
            yield Advice(Level.WARNING, f"spec.parameters[{index}]", message)
    for index, raw in enumerate(spec.checks):
        values = _values(spec, raw)
        if _errors(raw, values):
            continue
        check = Check.model_validate(filled(raw, values))
        found = check_kind(check).lint(check, Health(), f"spec.checks[{index}]")
        lacking = _lacking(spec, raw)
        yield from (item for item in found if item.level is Level.WARNING or not lacking)


def _defaults(spec: HealthPolicySpec) -> dict[str, str]:
    return {one.name: one.default for one in spec.parameters if one.default is not None}


def _lacking(spec: HealthPolicySpec, raw: Mapping[str, Any]) -> list[str]:
    """Parameters of a check that have no default."""
    used = {name for _, text in texts(raw, "") for name in placeholders(text)}
    return sorted(used - _defaults(spec).keys())


def _values(spec: HealthPolicySpec, raw: Mapping[str, Any]) -> dict[str, str]:
    """The defaults, and for each parameter of a check without one the first probe that its fields take."""
    values = _defaults(spec)
    for name in _lacking(spec, raw):
        values[name] = _PROBES[0]
    for name in _lacking(spec, raw):
        for probe in (*_PROBES, *_words()):
            values[name] = probe
            if not any(name in _used_at(raw, error) for error in _errors(raw, values)):
                break
    return values


@cache
def _words() -> tuple[str, ...]:
    schema = Check.model_json_schema()
    found = [node["enum"] for node in schema["$defs"].values() if "enum" in node]
    found += [node["enum"] for node in schema["properties"].values() if "enum" in node]
    return tuple(word for words in found for word in words)


def _errors(raw: Mapping[str, Any], values: Mapping[str, str]) -> list[ErrorDetails]:
    try:
        Check.model_validate(filled(raw, values))
    except ValidationError as error:
        return error.errors()
    return []


def _used_at(raw: Any, error: ErrorDetails) -> list[str]:
    """Names of the parameters in the text that an error is about."""
    value: Any = raw
    for part in error["loc"]:
        if isinstance(value, Mapping):
            value = next((value[key] for key in (part, str(part)) if key in value), None)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
    return placeholders(value) if isinstance(value, str) else []


def _certain(raw: Mapping[str, Any], error: ErrorDetails, unsure: set[str]) -> bool:
    """Whether an error stays whatever the unsure parameters are: it is about what is present, or another field."""
    if error["type"] == BROKEN_RULE:
        return error["msg"] in _presence()
    return not unsure & set(_used_at(raw, error))


@cache
def _presence() -> frozenset[str]:
    return frozenset(rule.message for model in models() for rule in model.RULES if rule.looks_at_presence_only)
