"""The check kinds. Each has a module here, named as its field in the spec, that defines KIND.

The registry of fields is modelramp.api.checks.SCHEMAS; KINDS is made from it.
"""

from importlib import import_module

from modelramp.analysis.kind import CheckKind
from modelramp.api.check import Check
from modelramp.api.checks import SCHEMAS

KINDS: dict[str, CheckKind] = {field: import_module(f"{__name__}.{field}").KIND for field in SCHEMAS}
"""Every check kind by its field."""


def check_kind(check: Check) -> CheckKind:
    """The kind of a check."""
    return KINDS[check.kind]
