"""What a check kind adds to the schema of a check."""

from dataclasses import dataclass
from typing import Any

from modelramp.api.rules import Rule


@dataclass(frozen=True, slots=True)
class CheckSchema:
    """The field of a check that selects a kind, and what the kind allows beside it.

    field: name of the field, in the spec and in Python. annotation: its type, with None for "not set", and description;
    None where api.check declares the field. own_limit: whether the kind has a limit without min and max; the name of a
    field of the kind says: if that is set. takes: which of min and max it takes. instead: the fields that take their
    place. needs_samples: the kind judges a number, so minSamples needs the query `samples`. accumulates: whether
    evidence adds up from tick to tick; as own_limit. starts_drift_hooks: a breach starts the hooks of
    spec.health.onDrift that name no checks. rules: of the whole check.
    """

    field: str
    annotation: Any = None
    own_limit: bool | str = False
    takes: tuple[str, ...] = ("min", "max")
    instead: tuple[str, ...] = ()
    needs_samples: bool = False
    accumulates: bool | str = False
    starts_drift_hooks: bool = False
    rules: tuple[Rule, ...] = ()


def cel(schema: CheckSchema, condition: bool | str, check: str = "self") -> str:
    """A condition of a kind (own_limit or accumulates) on a check, for the API server."""
    present = f"has({check}.{schema.field})"
    return f"({present} && has({check}.{schema.field}.{condition}))" if isinstance(condition, str) else present


def holds(condition: bool | str, settings: Any) -> bool:
    """The same in Python, on the settings of a check of that kind."""
    return getattr(settings, condition) is not None if isinstance(condition, str) else condition
