"""The bodies of requests and answers, and what a person reads when a request is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from examples.digits import CLASSES, INK_MAX, PIXELS
from examples.server.tokens import LONGEST

if TYPE_CHECKING:
    from collections.abc import Sequence

INSTANCES_MAX = 64
PROBLEMS_SHOWN = 5

Pixel = Annotated[float, Field(ge=0, le=INK_MAX, allow_inf_nan=False, strict=True)]
Image = Annotated[list[Pixel], Field(min_length=PIXELS, max_length=PIXELS)]
Label = Annotated[int, Field(ge=0, lt=CLASSES, strict=True)]
Group = Annotated[str, StringConstraints(pattern="^[a-z0-9][a-z0-9_-]{0,31}$")]


class PredictRequest(BaseModel):
    """``POST /predict``: 1 to 64 images, and optionally the group of users that asks."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instances: Annotated[list[Image], Field(min_length=1, max_length=INSTANCES_MAX)]
    group: Group | None = None


class PredictResponse(BaseModel):
    """The class of each image, who answered, and the id under which the true labels may be sent later."""

    model_config = ConfigDict(frozen=True)

    predictions: list[int]
    version: str
    revision: str
    requestId: str  # noqa: N815 - the JSON name


class FeedbackRequest(BaseModel):
    """``POST /feedback``: the true label of an answer, or a list when the request held several images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requestId: Annotated[str, Field(min_length=1, max_length=LONGEST)]  # noqa: N815 - the JSON name
    label: Label | Annotated[list[Label], Field(min_length=1, max_length=INSTANCES_MAX)]

    @property
    def labels(self) -> tuple[int, ...]:
        """The labels in the order of the answers."""
        return (self.label,) if isinstance(self.label, int) else tuple(self.label)


class FeedbackResponse(BaseModel):
    """What became of the feedback, and the revision it was counted for (null unless counted)."""

    model_config = ConfigDict(frozen=True)

    fate: str
    answeredBy: str | None  # noqa: N815 - the JSON name


def explain(errors: Sequence[Any]) -> str:
    """One line for a refused body: where, what was wished, and how to ask again. No input is repeated."""
    shown = [_problem(error) for error in errors[:PROBLEMS_SHOWN]]
    more = len(errors) - len(shown)
    if more > 0:
        shown.append(f"and {more} more")
    return "; ".join(shown)


def _problem(error: dict[str, Any]) -> str:
    place = _place(error["loc"])
    asked = error.get("ctx", {})
    match error["type"]:
        case "too_short" | "too_long" if place.startswith("instances["):
            found = asked.get("actual_length") or "more"
            return f"{place}: {found} numbers, {PIXELS} wished (8x8 pixels, row by row, ink 0 to {INK_MAX:g})"
        case "model_attributes_type" if place == "body":
            return 'body: not a JSON object; send {"instances": [[64 numbers], ...]}'
        case "finite_number":
            return f"{place}: not a finite number; send ink from 0 to {INK_MAX:g}"
        case "json_invalid":
            return "body: not valid JSON"
        case _:
            return f"{place}: {error['msg']}"


def _place(location: Sequence[str | int]) -> str:
    """``("body", "instances", 0, 3)`` as ``instances[0][3]``."""
    place = ""
    for part in location[1:] if location and location[0] == "body" else location:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else part
    return place or "body"
