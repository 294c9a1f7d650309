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
from modelramp.cli.reading import printed

POLL_SECONDS = 0.5
"""Time between two looks while a command waits."""
_NOT_OF_A_WORD = re.compile(r"[^A-Za-z0-9._-]+")
_WORD = 60
_SILENT = "the operator has not answered within {seconds} s: does it run, and does it watch this namespace?"
_SILENT_SECONDS = 2
"""An operator that runs answers sooner; `promote` may have to wait for the route."""
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
    if not revision:
        raise Ended(f"{where.name}: {nothing}", Exit.FAILED)
    word = _NOT_OF_A_WORD.sub("-", reason).strip("-")[:_WORD]
    nonce = "-".join(filter(None, (word, f"{time.time_ns() // 1_000_000:x}")))
    text = "/".join(filter(None, (verb, revision, nonce, to)))
    obj = where.cluster.annotate(where.name, REQUEST_ANNOTATION, text)
    if not where.seconds:
        _say(where, text, "Sent", f"{where.name}: request {text} is sent", obj)
        return
    until = time.monotonic() + where.seconds
    obj = _until(where, obj, until, lambda status: status.get("request") == text)
    answer = obj["status"].get("answer") or {}
    if answer.get("outcome") != "Done":
        _say(where, text, "Ignored", f"{where.name}: {answer.get('message', '')}", obj)
        raise SystemExit(Exit.FAILED)
    obj = _until(where, obj, until, lambda status: status.get("phase") != Phase.ROLLING_BACK)
    _say(where, text, "Done", f"{where.name}: {obj['status'].get('message', '')}", obj)


def _until(where: Asked, obj: Object, until: float, done: Callable[[Object], bool]) -> Object:
    """The object as soon as its status is so. Raises Ended after the time that the person gave."""
    before = obj.get("status") or {}
    silent: float | None = time.monotonic() + _SILENT_SECONDS
    while not done(obj.get("status") or {}):
        if silent is not None and time.monotonic() >= silent and (obj.get("status") or {}) == before:
            silent = None
            waits = f"{where.name}: no answer of the operator for {_SILENT_SECONDS} s; waiting {where.seconds} s in all"
            click.echo(waits, err=True)
        if time.monotonic() >= until:
            status = obj.get("status") or {}
            if status == before:
                raise Ended(f"{where.name}: {_SILENT.format(seconds=where.seconds)}", Exit.UNKNOWN)
            raise Ended(f"{where.name}: {visible(str(status.get('message', '')))}", Exit.TIMED_OUT)
        time.sleep(POLL_SECONDS)
        obj = where.cluster.get(where.name)
    return obj


def _say(where: Asked, text: str, outcome: str, message: str, obj: Object) -> None:
    if where.output == "text":
        click.echo(visible(message))
        return
    status = obj.get("status") or {}
    found = {"namespace": obj["metadata"]["namespace"], "name": where.name, "request": text, "outcome": outcome}
    printed({**found, "phase": status.get("phase", ""), "message": message}, where.output)


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
