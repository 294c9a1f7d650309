"""What backtest and suggest have in common: their options, and reading the history that they name."""

import asyncio
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import IO, Any, TypeVar

import click

from modelramp.adapters.clock import SystemClock
from modelramp.analysis.query_context import QueryContext
from modelramp.api.abtest import ABTestRun
from modelramp.api.check import Check
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.header import read_headers
from modelramp.api.health import Health, PrometheusSpec
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.api.times import parse_duration, to_text
from modelramp.cli.backtest.history import (
    NoHistory,
    as_after_promotion,
    known_revisions,
    read_history,
    silent_checks,
    unaskable,
)
from modelramp.cli.backtest.replay import History, Recorded
from modelramp.cli.backtest.source import Notices, Progress, opened
from modelramp.cli.policy_file import Policy, read_policy
from modelramp.core.revisions import revision_of
from modelramp.core.ticks import newest_due
from modelramp.desired.names import child_name
from modelramp.engine.ports import Endpoint, Metrics
from modelramp.engine.queries import CheckRequest

MOST_TICKS = 200_000
"""Most ticks of a replay: about four and a half months of minutes."""
_DAY = 86_400
_FORMS = "write it as 2026-11-20T12:00:00Z, 2026-11-20, seconds since the epoch, -36h, -30d or now"


def instant_of(text: str, now: float) -> int:
    """Seconds since the epoch of an instant as people write it; without an offset it is UTC.

    Raises ValueError with the accepted forms when the text is none of them.
    >>> instant_of("2026-11-20T13:00:00+01:00", 0), instant_of("-1h30m", 10_000), instant_of("now", 7.5)
    (1795176000, 4600, 7)
    >>> instant_of("-30d", 2_592_000), instant_of("-1d12h", 129_600)
    (0, 0)
    """
    if text == "now":
        return int(now)
    if ago := re.fullmatch(r"-(?:([0-9]{1,4})d)?(.*)", text):
        days, rest = ago.groups()
        return int(now) - int(days or 0) * _DAY - (parse_duration(rest) if rest or not days else 0)
    if re.fullmatch(r"[0-9]{9,11}", text):
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no instant; {_FORMS}") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def ticks_between(begin: int, end: int, interval: int, now: float) -> range:
    """The ticks whose interval lies wholly between two instants and in the past.

    Raises ValueError, with what to change, when there are none or more than MOST_TICKS.
    >>> list(ticks_between(30, 200, 60, 1000))
    [120, 180]
    """
    if begin >= end:
        raise ValueError(f"--from ({to_text(begin)}) must lie before --to ({to_text(end)})")
    if begin >= now:
        raise ValueError(f"--from ({to_text(begin)}) lies in the future: nothing is recorded there yet")
    first = math.ceil(begin / interval) * interval + interval
    ticks = range(first, min(end, newest_due(now, interval)) + 1, interval)
    if not ticks:
        raise ValueError(f"no whole interval of {interval} s lies between {to_text(begin)} and {to_text(end)}")
    if len(ticks) > MOST_TICKS:
        raise ValueError(f"{len(ticks):,} ticks are more than {MOST_TICKS:,}: ask a shorter time or a longer --step")
    return ticks


Command = TypeVar("Command", bound=Callable[..., Any])

NO_STABLE = "stable"
"""Stands for the stable version in a replay that compares with none."""

_SERVER = (
    click.option("--token-file", type=click.File("r"), default=None, help="Bearer token for Prometheus."),
    click.option(
        "--header",
        "headers",
        multiple=True,
        envvar="MODELRAMP_PROMETHEUS_HEADERS",
        help="Header for every query, such as X-Scope-OrgID=team-a, beside those of the policy; may be repeated.",
    ),
    click.option(
        "--ca-file", envvar="MODELRAMP_PROMETHEUS_CA_FILE", default=None, help="CA certificates for Prometheus, PEM."
    ),
    click.option(
        "--timeout", type=click.FloatRange(1, 300), default=30.0, show_default=True, help="Seconds per query."
    ),
)
_OPTIONS = (
    click.option(
        "-f", "--filename", "manifest", type=click.File("rb"), required=True, help="ModelDeployment, YAML or -."
    ),
    click.option("--name", default=None, help="Which ModelDeployment, when the file has several."),
    click.option("-n", "--namespace", default=None, help="Its namespace; the file's if not given, else default."),
    click.option("--prometheus", "address", default=None, help="Base URL of Prometheus; the policy's if not given."),
    *_SERVER,
    click.option("--from", "begin", required=True, help="2026-11-20T12:00:00Z, 2026-11-20, epoch seconds, -36h, -30d."),
    click.option(
        "--to", "end", default="now", show_default=True, help="Like --from; now is the last complete interval."
    ),
    click.option("--step", default=None, help="Interval of the ticks; spec.health.interval if not given."),
    click.option("--revision", default=None, help="Revision whose series are read; the file's if not given."),
    click.option("--stable", default=None, help="Revision to compare with, for checks that compare two versions."),
)


def asking(command: Command) -> Command:
    """Decorator: the options that name a policy and a stretch of history; the command gets them as one Asking."""
    return _with(_OPTIONS, command)


def serving(command: Command) -> Command:
    """Decorator: those of them that say how Prometheus is asked."""
    return _with(_SERVER, command)


def _with(options: Sequence[Callable[[Command], Command]], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Asking:
    """A policy, whose series it is tried on, and the ticks. token, headers: sent to Prometheus."""

    policy: Policy
    endpoint: Endpoint
    subject: QueryContext
    begin: int
    end: int
    now: float
    token: str | None
    ca_file: str | None
    timeout: float
    headers: Mapping[str, str]

    @property
    def spec(self) -> ModelDeploymentSpec:
        """The spec of the policy."""
        return self.policy.spec

    @property
    def stable(self) -> str:
        """What serves besides in a replay."""
        return self.subject.stable or NO_STABLE

    def has_ticks(self, health: Health) -> bool:
        """Whether the time holds at least one whole interval of a policy."""
        return self.begin + 2 * health.interval <= min(self.end, self.now)

    def ticks(self, health: Health) -> range:
        """The ticks of a policy's interval; raises click.ClickException when there are none."""
        try:
            return ticks_between(self.begin, self.end, health.interval, self.now)
        except ValueError as error:
            raise click.ClickException(str(error)) from None


def asking_of(
    manifest: IO[bytes],
    name: str | None,
    namespace: str | None,
    address: str | None,
    token_file: IO[str] | None,
    headers: Sequence[str],
    ca_file: str | None,
    timeout: float,
    begin: str,
    end: str,
    step: str | None,
    revision: str | None,
    stable: str | None,
) -> Asking:
    """The options as values; raises click.ClickException that names the option or the line that is wrong."""
    policy = _stepped(read_policy(manifest, name, namespace), step)
    found = address or policy.spec.health.prometheus.address
    if not found:
        raise click.ClickException("the policy names no Prometheus: give --prometheus http://host:9090")
    if not found.startswith(("http://", "https://")):
        raise click.ClickException(f"--prometheus {found}: must begin with http:// or https://")
    now = SystemClock().now()
    revision = revision or revision_of(policy.spec)
    if revision == stable:
        raise click.ClickException(f"--revision and --stable are both {revision}: a version is compared with another")
    subject = QueryContext(
        namespace=policy.namespace,
        name=policy.name,
        revision=revision,
        service=child_name(policy.name, revision),
        stable=stable,
        stable_service=child_name(policy.name, stable) if stable else None,
    )
    token = token_file.read().strip() if token_file else None
    times = _instant("--from", begin, now), _instant("--to", end, now)
    sent = _headers(policy.spec.health.prometheus, headers)
    return Asking(policy, Endpoint(found.rstrip("/")), subject, *times, now, token, ca_file, timeout, sent)


def _headers(spec: PrometheusSpec, given: Sequence[str]) -> Mapping[str, str]:
    """The headers of the policy, as far as it has their values, and those of the command line, which win."""
    found = {header.name.lower(): (header.name, header.value) for header in spec.headers}
    try:
        for text in given:
            found |= {name.lower(): (name, value) for name, value in read_headers(text)}
    except ValueError as error:
        raise click.ClickException(f"--header: {error}") from None
    if missing := [name for name, value in found.values() if value is None]:
        raise click.ClickException(f"the value of {missing[0]} is in a Secret: give --header {missing[0]}=...")
    return {name: value for name, value in found.values() if value is not None}


def _instant(option: str, text: str, now: float) -> int:
    try:
        return instant_of(text, now)
    except ValueError as error:
        raise click.ClickException(f"{option}: {error}") from None


def _stepped(policy: Policy, step: str | None) -> Policy:
    if step is None:
        return policy
    try:
        seconds = parse_duration(step)
    except ValueError as error:
        raise click.ClickException(f"--step: {error}") from None
    if not 5 <= seconds <= 3600:
        raise click.ClickException(f"--step: {step} is not an interval that a policy may have, from 5s to 1h")
    health = with_interval(policy.spec.health, seconds)
    return replace(policy, spec=policy.spec.model_copy(update={"health": health}))


def read_histories(asked: Asking, variants: Mapping[int, ModelDeploymentSpec]) -> dict[int, History]:
    """The history of each policy by its key; the first is the one that must have data.

    Raises click.ClickException when nobody answers, a query cannot be asked, or no check has any data.
    """
    try:
        return asyncio.run(_read(asked, variants))
    except (NoHistory, PrometheusUnavailable) as error:
        raise click.ClickException(str(error)) from None


async def _read(asked: Asking, variants: Mapping[int, ModelDeploymentSpec]) -> dict[int, History]:
    wanted = {key: asked.ticks(spec.health) for key, spec in variants.items()}
    progress = Progress(sum(len(ticks) for ticks in wanted.values()), "ticks read")
    found: dict[int, History] = {}
    async with opened(asked.token, asked.ca_file, asked.timeout, asked.headers) as metrics:
        for key, ticks in wanted.items():
            due = CheckRequest(
                asked.policy.name,
                asked.endpoint,
                variants[key].health,
                asked.subject,
                ab_test=_ab_test(variants[key], asked.subject),
            )
            if not found and (problems := unaskable(due)):
                compares = not asked.subject.stable and any("stable" in problem for problem in problems)
                hint = ["For queries that compare, give --stable REVISION."] if compares else []
                raise NoHistory("\n".join([*problems, *hint]))
            said = await read_history(due, ticks, metrics, Notices(), progress)
            other = as_after_promotion(due)
            promoted = dict(await read_history(other, ticks, metrics, Notices(), _silence)) if other else {}
            found[key] = [Recorded(tick, each, promoted.get(tick)) for tick, each in said]
            progress.before += len(ticks)
            if len(found) == 1:
                await _must_say_something(asked, due, ticks, found[key], metrics)
    return found


def _ab_test(spec: ModelDeploymentSpec, subject: QueryContext) -> ABTestRun | None:
    """The A/B test as history can be asked of it: with the version that served beside."""
    test = spec.rollout.ab_test
    return ABTestRun(test, test.split, subject.revision) if test is not None and subject.stable else None


def _silence(done: int) -> None:
    """The second reading of the same ticks counts nothing."""


async def _must_say_something(
    asked: Asking, due: CheckRequest, ticks: Sequence[int], history: History, metrics: Metrics
) -> None:
    silent = silent_checks(history)
    if len(silent) < len({check.name for recorded in history for check in recorded.said.asked}):
        for name, check in silent.items():
            click.echo(f"warning: {name} had no data at any tick: {check.detail}", err=True)
        return
    told = "\n".join(f"  {name}: {check.detail}" for name, check in silent.items())
    subject = asked.subject
    head = f"no check had data at any of {len(ticks):,} ticks for revision {subject.revision} of "
    known = await known_revisions(due, ticks, metrics)
    if known and subject.revision not in known:
        hint = f"Prometheus knows other revisions of it: {', '.join(known)}; choose one with --revision."
    elif known:
        hint = "Prometheus has series of this revision, but not those that the checks ask for."
    else:
        hint = f'No series has namespace="{subject.namespace}" and modeldeployment="{subject.name}" in that time.'
    raise NoHistory(f"{head}{subject.namespace}/{subject.name}:\n{told}\n{hint}")


def with_interval(health: Health, seconds: int) -> Health:
    """The policy with another interval; a check's own interval becomes the next multiple of it."""
    checks = tuple(_on_grid(check, seconds) for check in health.checks)
    return health.model_copy(update={"interval": seconds, "checks": checks})


def _on_grid(check: Check, seconds: int) -> Check:
    if check.interval is None or check.interval % seconds == 0:
        return check
    return check.model_copy(update={"interval": -(-check.interval // seconds) * seconds})
