"""Settings of the operator: environment variables MODELRAMP_*, nothing else."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from modelramp.adapters.addresses import AddressList
from modelramp.adapters.credentials import Files, plain_problem
from modelramp.api.errors import InvalidSpec, Problem
from modelramp.api.header import read_headers
from modelramp.core.host_bindings import read_bindings
from modelramp.engine.ports import Endpoint

_PREFIX = "MODELRAMP_"
_HIDDEN = frozenset({"prometheus_address", "prometheus_headers"})
_ADDRESS = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


class Settings(BaseSettings):
    """Read once, at the start."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True)

    prometheus_address: Annotated[
        str, Field(description="Base URL of the Prometheus that is asked for objects that name none of their own.")
    ] = "http://prometheus.monitoring:9090"
    prometheus_secret: Annotated[
        str | None,
        Field(
            pattern=r"^[^/]+/[^/]+$",
            description="`namespace/name` of a Secret with `token`, or `username` and `password`, for that Prometheus.",
        ),
    ] = None
    prometheus_headers: Annotated[
        str,
        Field(
            description="Headers for that Prometheus, such as a tenant's: `X-Scope-OrgID=platform`; several with `;`. "
            "Objects that name a Prometheus have their own."
        ),
    ] = ""
    prometheus_token_file: Annotated[
        str | None,
        Field(
            description="File with a bearer token for that Prometheus; read again every 30 s, so that it may expire."
        ),
    ] = None
    prometheus_cert_file: Annotated[
        str | None,
        Field(description="PEM file with a client certificate for that Prometheus; read again every 30 s."),
    ] = None
    prometheus_key_file: Annotated[str | None, Field(description="PEM file with the key of that certificate.")] = None
    prometheus_ca_file: Annotated[
        str | None, Field(description="PEM file with the authorities that are trusted for https to any Prometheus.")
    ] = None
    webhook_ca_file: Annotated[
        str | None, Field(description="PEM file with the authorities that are trusted for https to webhooks of hooks.")
    ] = None
    allowed_addresses: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="Addresses that objects may name although they would be refused: hosts, suffixes such as "
            "`*.example.com`, IP addresses, CIDR ranges; comma-separated."
        ),
    ] = ()
    denied_addresses: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            description="IP addresses and CIDR ranges that objects may not name, beside loopback, link-local, "
            "multicast, metadata services and the API server, which they never may; comma-separated."
        ),
    ] = ()
    allow_plain_credentials: Annotated[
        bool,
        Field(description="Whether tokens and passwords are sent to addresses that begin with http:// as well."),
    ] = False
    enforce_namespace: Annotated[
        bool,
        Field(
            description="Whether queries that people wrote in objects see series with their own namespace in the label "
            "`namespace` only, whatever Prometheus they name."
        ),
    ] = False
    namespaces: Annotated[
        tuple[str, ...], NoDecode, Field(description="Namespaces to work in, comma-separated; empty means all.")
    ] = ()
    host_bindings: Annotated[
        str,
        Field(
            description="Hosts that only some namespaces may have, as in "
            "`pay.example.com=payments;*.shop.example.com=shop,shop-staging`; `*` binds all others."
        ),
    ] = ""
    lease_namespace: Annotated[
        str,
        Field(
            description="Namespace of the Lease by which replicas agree on the one that decides. Empty: no Lease, for "
            "an operator that has no other replica."
        ),
    ] = ""
    lease_name: Annotated[
        str, Field(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", description="Name of that Lease.")
    ] = "modelramp"
    freeze: Annotated[
        str,
        Field(
            max_length=200,
            description="Why no version may get more traffic anywhere; empty: no freeze. Checks and automatic "
            "rollbacks go on. The annotation `modelramp.io/freeze` does the same for a Namespace.",
        ),
    ] = ""
    web_host: Annotated[str, Field(description="Address that /healthz, /readyz and /metrics are served on.")] = ""
    web_port: Annotated[int, Field(ge=0, le=65535, description="Port of the same; 0 picks a free one.")] = 8080
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Field(description="Least severe log lines that are written.")
    ] = "INFO"
    scrape_delay: Annotated[
        float,
        Field(ge=0, le=60, description="Seconds from a tick to its evaluation: what a scrape needs to be stored."),
    ] = 5.0
    query_timeout: Annotated[
        float, Field(gt=0, le=60, description="Seconds that one question to Prometheus may take.")
    ] = 10.0
    kube_timeout: Annotated[
        float, Field(gt=0, le=60, description="Seconds that one request to the API server may take.")
    ] = 15.0
    writes_per_second: Annotated[
        float, Field(gt=0, le=1000, description="Writes to the API server per second, in the long run.")
    ] = 50.0
    report_writes_per_minute: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="Ticks that changed nothing and are written into statuses all the same, per minute: of "
            "rollouts in flight, and again of models at rest. While no more are in flight, each of theirs is written.",
        ),
    ] = 60
    heartbeat_limit: Annotated[
        float,
        Field(
            ge=10,
            description="Seconds without a completed turn at which /healthz fails; never less than three intervals.",
        ),
    ] = 180.0

    @field_validator("namespaces", "allowed_addresses", "denied_addresses", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allowed_addresses", "denied_addresses")
    @classmethod
    def _is_address_list(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        found = AddressList.of(value)
        if info.field_name == "denied_addresses" and (found.hosts or found.suffixes):
            raise ValueError("must be IP addresses and CIDR ranges: a host is refused by what it resolves to")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _raise_level(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("prometheus_address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if not _ADDRESS.fullmatch(value):
            raise ValueError(
                "must be a base URL such as http://prometheus.monitoring:9090, without credentials; "
                f"those go into {_PREFIX}PROMETHEUS_SECRET"
            )
        return value

    @field_validator("prometheus_headers")
    @classmethod
    def _are_headers(cls, value: str) -> str:
        read_headers(value)
        return value

    @field_validator("host_bindings")
    @classmethod
    def _are_bindings(cls, value: str) -> str:
        read_bindings(value)
        return value

    @model_validator(mode="after")
    def _hides_credentials(self) -> Self:
        problem = plain_problem(self.prometheus_address, allowed=self.allow_plain_credentials)
        if (self.prometheus_secret or self.prometheus_token_file) is not None and problem is not None:
            raise ValueError(problem)
        if self.prometheus_secret is not None and self.prometheus_token_file is not None:
            raise ValueError(f"give either this or {_PREFIX}PROMETHEUS_TOKEN_FILE")
        if (self.prometheus_cert_file is None) != (self.prometheus_key_file is None):
            raise ValueError(f"{_PREFIX}PROMETHEUS_CERT_FILE and {_PREFIX}PROMETHEUS_KEY_FILE belong together")
        return self

    @property
    def prometheus_secret_ref(self) -> tuple[str, str] | None:
        """Namespace and name of the Secret."""
        if self.prometheus_secret is None:
            return None
        namespace, _, name = self.prometheus_secret.partition("/")
        return namespace, name

    @property
    def prometheus_endpoint(self) -> Endpoint:
        """The operator's own Prometheus."""
        return Endpoint(self.prometheus_address, self.prometheus_secret_ref, read_headers(self.prometheus_headers))

    @property
    def prometheus_files(self) -> Files:
        """The files with the credentials for it."""
        return Files(self.prometheus_token_file, self.prometheus_cert_file, self.prometheus_key_file)


def read_settings() -> Settings:
    """The settings from the environment.

    Raises InvalidSpec with one Problem for each variable that is wrong.
    """
    try:
        return Settings()
    except ValidationError as error:
        # What concerns several variables has no place: it is about the Secret.
        problems = tuple(
            _problem(str((item["loc"] or ("prometheus_secret",))[0]), item["msg"], item["input"] if item["loc"] else "")
            for item in error.errors()
        )
        raise InvalidSpec(problems) from None


def _problem(name: str, message: str, found: object) -> Problem:
    wished = message.removeprefix("Value error, ").removeprefix("Input ")
    # An address may hold a password by mistake, and a header may be one; logs must not.
    shown = "" if name in _HIDDEN or not found else f"{found!r} "
    return Problem(_PREFIX + name.upper(), shown + wished)


def reference() -> str:
    """All settings as Markdown: docs/reference/settings.md.

    Written by `python -m modelramp.settings > docs/reference/settings.md`.
    """
    rows = []
    for name, field in Settings.model_fields.items():
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        shown = (
            f"`{str(default).lower() if isinstance(default, bool) else default}`" if default not in (None, "") else ""
        )
        rows.append(f"| `{_PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return "\n".join((_HEAD, *rows, _TAIL))


_HEAD = """# Settings of the operator

Environment variables of the operator's container. Generated from `modelramp.settings`; a test keeps them equal.
A variable that is set to nothing counts as not set; a wrong value stops the operator at its start, with the variable's
name and what it should be.

| Variable | Default | Meaning |
|---|---|---|"""

_TAIL = """
Kubernetes puts variables for every Service of the namespace into each container, such as `MODELRAMP_WEB_PORT=tcp://...`
for a Service `modelramp-web`. The shipped manifests therefore set `enableServiceLinks: false`; keep that in yours."""

if __name__ == "__main__":
    print(reference())  # noqa: T201 - the document goes to stdout
