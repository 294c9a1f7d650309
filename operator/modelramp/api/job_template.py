"""The pod template of a Job that modelramp starts: an evaluation, or what a hook does.

Its schema in the CustomResourceDefinition says only what every pod needs: the full schema of a pod, once for each such
field, would make the definition larger than `kubectl apply` can carry. `modelramp lint` knows the rest, and so does the
API server when the Job is made.
"""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

_OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_CONTAINER = {
    **_OPEN,
    "required": ["name", "image"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 63, "description": "Name of the container."},
        "image": {"type": "string", "minLength": 1, "maxLength": 1024, "description": "Its image."},
    },
}
_CONTAINERS = {"type": "array", "minItems": 1, "description": "As in any pod.", "items": _CONTAINER}
_SPEC = {**_OPEN, "required": ["containers"], "properties": {"containers": _CONTAINERS}, "description": "PodSpec."}

JobTemplate = Annotated[
    dict[str, Any],
    WithJsonSchema({**_OPEN, "required": ["spec"], "properties": {"spec": _SPEC}}),
    Field(description="Pod template of the Job; restartPolicy is Never if not set."),
]
"""A PodTemplateSpec as people wrote it; desired.job makes the Job from it."""
