"""A person's request from the command line: it names the revision itself, waits for the outcome, and says it."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from modelramp.api.names import REQUEST_ANNOTATION, Phase
from modelramp.api.text import visible
from modelramp.cli.cluster import Cluster, Ended, Exit, Object
from modelramp.cli.reading import printed, status_in

POLL_SECONDS = 0.5
"""Time between two looks while a command waits."""
_NOT_OF_A_WORD = re.compile(r"[^A-Za-z0-9._-]+")
_WORD = 60
_SILENT = "the operator has not answered within {seconds} s: does it run, and does it watch this namespace?"
_SILENT_SECONDS = 2
"""An operator that runs answers sooner; `promote` may have to wait for the route."""
_DONE, _IGNORED, _UNKNOWN = "Done", "Ignored", "Unknown"
_CODES = {_IGNORED: Exit.FAILED, _UNKNOWN: Exit.UNKNOWN}
Command = Callable[..., Any]


def seconds(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Callback of an option that is a time such as 90s or 10m; a bare number is seconds."""
    from modelramp.api.times import parse_duration

    try:
        return int(value) if value.isdigit() else parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


@dataclass(frozen=True, slots=True)
class Asked:
    """Where a command looks, and how long. seconds: 0 does not wait."""

    cluster: Cluster
    name: str
    seconds: int
    output: str


def complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The names of ModelDeployments for a shell's completion; none when there is no answer."""
    del param
    try:
        cluster = Cluster.connect(ctx.params.get("context"), ctx.params.get("namespace"))
        return [name for name in cluster.names() if name.startswith(incomplete)]
    except Ended:
        return []


def located(command: Command) -> Command:
    """Options that say which cluster and namespace are meant."""
    command = click.option("-n", "--namespace", help="Namespace; that of the context if not given.")(command)
    return click.option("--context", help="Context of the kubeconfig; the current one if not given.")(command)


def timeout_option(default: str) -> Callable[[Command], Command]:
    """Option that says how long to wait."""
    return click.option(
        "--timeout",
        callback=seconds,
        metavar="TIME",
        default=default,
        show_default=True,
        help="How long to wait; 0s does not wait.",
    )


def about_one(command: Command) -> Command:
    """NAME and the options of every command that asks for something about one ModelDeployment."""
    return of_one(timeout_option("60s")(command))


def of_one(command: Command) -> Command:
    """NAME and the options of every command about one ModelDeployment."""
    return click.argument("name", shell_complete=complete_names)(located(output_option(command)))


def output_option(command: Command) -> Command:
    """Option for how to print what is found."""
    return click.option(
        "-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True
    )(command)


def asked(
    name: str, namespace: str | None = None, context: str | None = None, timeout: int = 60, output: str = "text"
) -> Asked:
    """What the options of `about_one` mean."""
    return Asked(Cluster.connect(context, namespace), name, timeout, output)


def request(verb: str, where: Asked, revision: str | None, nothing: str, *, reason: str = "", to: str = "") -> None:
    """Ask for a verb about a revision, wait for the outcome, and print it. Raises Ended unless it was done.

    revision: None when there is none that it could be about; nothing: the sentence that says so. reason: words of the
    person; they become part of the request, so that the status and the history of requests carry them.
    """
    until = time.monotonic() + where.seconds
    _print(where, *_handled(verb, where, revision, nothing, until, reason=reason, to=to))


def request_to_the_end(verb: str, where: Asked, reason: str) -> None:
    """Ask for a verb about the revision in flight again and again, until it is not in flight any more.

    The timeout is for all of it. Raises Ended, or SystemExit, with the first request that is not done.
    """
    obj = where.cluster.get(where.name)
    revision, until = candidate_of(obj), time.monotonic() + where.seconds
    while True:
        found = _handled(verb, where, revision, _at_rest(obj), until, reason=reason)
        obj = found[-1]
        last = found[1] != _DONE or candidate_of(obj) != revision
        if last or where.output == "text":
            _print(where, *found)
        if last:
            return


def _handled(
    verb: str, where: Asked, revision: str | None, nothing: str, until: float, *, reason: str = "", to: str = ""
) -> tuple[str, str, str, Object]:
    """A request, its outcome, the sentence that says it, and the object after it."""
    if not revision:
        raise Ended(f"{where.name}: {nothing}", Exit.FAILED)
    word = _NOT_OF_A_WORD.sub("-", reason).strip("-")[:_WORD]
    nonce = "-".join(filter(None, (word, f"{time.time_ns() // 1_000_000:x}")))
    text = "/".join(filter(None, (verb, revision, nonce, to)))
    obj = where.cluster.annotate(where.name, REQUEST_ANNOTATION, text)
    if not where.seconds:
        return text, "Sent", f"request {text} is sent", obj
    obj = _until(where, obj, until, lambda obj: _asked_last(obj) in {text, _annotated(obj) or text})
    if _asked_last(obj) != text:
        return text, *_overtaken(obj, text), obj
    answer = obj["status"].get("answer") or {}
    if answer.get("outcome") != _DONE:
        return text, _IGNORED, str(answer.get("message", "")), obj
    obj = _until(where, obj, until, lambda obj: status_in(obj).get("phase") != Phase.ROLLING_BACK)
    return text, _DONE, str(status_in(obj).get("message", "")), obj


def _asked_last(obj: Object) -> str | None:
    return status_in(obj).get("request")


def _annotated(obj: Object) -> str | None:
    """The request of the annotation, which may be somebody else's by now; None for none."""
    return (obj["metadata"].get("annotations") or {}).get(REQUEST_ANNOTATION)


def _overtaken(obj: Object, text: str) -> tuple[str, str]:
    """The outcome of a request that was followed by another person's, and a sentence about it."""
    from modelramp.core.revisions import short_hash

    status = status_in(obj)
    other = f'request "{_asked_last(obj)}" came after it: {status.get("message", "")}'
    if any(short_hash(text) in marks for marks in (status.get("heard") or {}).values()):
        return _UNKNOWN, f'request "{text}" was handled, but {other}'
    return _IGNORED, f'request "{text}" was not seen by the operator, since {other}'


def _until(where: Asked, obj: Object, until: float, done: Callable[[Object], bool]) -> Object:
    """The object as soon as it is so. Raises Ended after the time that the person gave."""
    before = status_in(obj)
    silent: float | None = time.monotonic() + _SILENT_SECONDS
    while not done(obj):
        if silent is not None and time.monotonic() >= silent and status_in(obj) == before:
            silent = None
            waits = f"{where.name}: no answer of the operator for {_SILENT_SECONDS} s; waiting {where.seconds} s in all"
            click.echo(waits, err=True)
        if time.monotonic() >= until:
            if status_in(obj) == before:
                raise Ended(f"{where.name}: {_SILENT.format(seconds=where.seconds)}", Exit.UNKNOWN)
            raise Ended(f"{where.name}: {visible(str(status_in(obj).get('message', '')))}", Exit.TIMED_OUT)
        time.sleep(POLL_SECONDS)
        obj = again(where.cluster, where.name, obj, until)
    return obj


def again(cluster: Cluster, name: str, obj: Object, until: float) -> Object:
    """The object as it is now; as it was while the API server is away, until the time is over."""
    try:
        obj = cluster.get(name)
    except Ended as error:
        if error.code is not Exit.UNKNOWN or time.monotonic() >= until:
            raise
        if error.message != cluster.warned:
            click.echo(f"warning: {error.message}; trying again", err=True)
        cluster.warned = error.message
    else:
        cluster.warned = ""
    return obj


def _print(where: Asked, text: str, outcome: str, message: str, obj: Object) -> None:
    """Print an outcome. Raises SystemExit unless it is one that was wished."""
    if where.output == "text":
        click.echo(visible(f"{where.name}: {message}"))
    else:
        found = {"namespace": obj["metadata"]["namespace"], "name": where.name, "request": text, "outcome": outcome}
        phase = status_in(obj).get("phase", "")
        printed({**found, "phase": phase, "message": f"{where.name}: {message}"}, where.output)
    if outcome in _CODES:
        raise SystemExit(_CODES[outcome])


def request_of_candidate(verb: str, reason: str, **options: Any) -> None:
    """Ask for a verb about the revision in flight. options: those of `about_one`."""
    where = asked(**options)
    obj = where.cluster.get(where.name)
    request(verb, where, candidate_of(obj), _at_rest(obj), reason=reason)


def candidate_of(obj: Object) -> str | None:
    """The revision in flight; None without a rollout."""
    return ((obj.get("status") or {}).get("candidate") or {}).get("revision")


def _at_rest(obj: Object) -> str:
    """Why there is nothing to do about a rollout, for people."""
    status = obj.get("status") or {}
    return f"no rollout is in flight: {visible(str(status.get('message') or 'the operator has not seen it yet'))}"


def reason_option(command: Command) -> Command:
    """Option for the words of the person who asks."""
    return click.option("--reason", default="", help="Why, in a few words; the status and the Event repeat them.")(
        command
    )
