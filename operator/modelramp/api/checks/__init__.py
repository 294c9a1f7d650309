"""The check kinds of the API: one module for each, and the registry from which the schema of a check is made.

A new kind is one module here, one line in SCHEMAS, and a module of the same name in modelramp.analysis.kinds.
"""

from modelramp.api.checks import compare, cost, drift, fairness, ratio, sequential
from modelramp.api.checks.schema import CheckSchema

SCHEMAS: dict[str, CheckSchema] = {
    schema.field: schema
    for schema in (
        CheckSchema("query", needs_samples=True),
        CheckSchema("preset", needs_samples=True, own_limit=True),
        ratio.SCHEMA,
        compare.SCHEMA,
        sequential.SCHEMA,
        drift.SCHEMA,
        fairness.SCHEMA,
        cost.SCHEMA,
    )
}
"""Every check kind by its field, in the order of the fields."""
