"""A host name of a spec."""

from typing import Annotated

from pydantic import Field

from modelramp.api.rules import matches

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
Hostname = Annotated[
    str,
    Field(max_length=253, description="Host name, or *. and a domain."),
    matches(
        rf"(\*\.)?{_LABEL}(\.{_LABEL})*",
        "must be a host name in small letters without scheme or port, as in digits.example.com or *.example.com",
    ),
]
