"""Headers that an object has sent with its questions, such as the tenant's of Mimir and Cortex."""

from typing import Annotated, ClassVar, Final

from pydantic import Field, ValidationError

from modelramp.api.rules import ApiModel, Rule, matches

MOST_HEADERS: Final = 8
_OF_THE_CONNECTION: Final = (
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
)
_OF_CREDENTIALS: Final = ("authorization", "cookie")

HeaderName = Annotated[
    str,
    Field(max_length=64),
    matches(r"[A-Za-z0-9][A-Za-z0-9_-]*", "must be the name of a header, such as X-Scope-OrgID"),
]
HeaderValue = Annotated[
    str,
    Field(max_length=256),
    matches(r"[!-~]([ -~]*[!-~])?", "must be printable ASCII characters, without spaces at its ends"),
]


def _quoted(names: tuple[str, ...]) -> str:
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


class PrometheusHeader(ApiModel):
    """A header with its value, or with the key of the Secret that has it."""

    name: Annotated[HeaderName, Field(description="Name of the header; upper and lower case are the same.")]
    value: Annotated[
        HeaderValue | None, Field(description="Its value; everybody who may read this object can read it.")
    ] = None
    secret_key: Annotated[
        str | None,
        Field(min_length=1, max_length=253, description="Key of the Secret in secretRef that has the value."),
    ] = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.value) != has(self.secretKey)",
            "give exactly one of value and secretKey",
            lambda self: (self.value is None) != (self.secret_key is None),
        ),
        Rule(
            f"!(self.name.lowerAscii() in {_quoted(_OF_THE_CONNECTION)})",
            "headers of the connection itself cannot be set",
            lambda self: self.name.lower() not in _OF_THE_CONNECTION,
            field=".name",
        ),
        Rule(
            f"has(self.secretKey) || !(self.name.lowerAscii() in {_quoted(_OF_CREDENTIALS)})",
            "credentials belong into a Secret: use secretRef with `token`, or secretKey",
            lambda self: self.secret_key is not None or self.name.lower() not in _OF_CREDENTIALS,
            field=".value",
        ),
    )


def names_differ(headers: tuple[PrometheusHeader, ...]) -> bool:
    """Whether no two have the same name."""
    return len({header.name.lower() for header in headers}) == len(headers)


def read_headers(text: str) -> tuple[tuple[str, str], ...]:
    """Headers from `Name=value;Name=value`. Raises ValueError, without any value: they may be secret."""
    found = []
    for each in filter(None, map(str.strip, text.split(";"))):
        name, _, value = (part.strip() for part in each.partition("="))
        try:
            found.append(PrometheusHeader(name=name, value=value))
        except ValidationError as error:
            why = error.errors(include_input=False)[0]["msg"].removeprefix("Value error, ")
            raise ValueError(f"header {len(found) + 1}, as in X-Scope-OrgID=platform: {why}") from None
    if not names_differ(tuple(found)):
        raise ValueError("a header stands here twice")
    return tuple((header.name, header.value or "") for header in found)
