"""`modelramp why`: each check, gate and hold of a rollout, and what has to happen next."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from modelramp.api.text import visible
from modelramp.cli.asking import asked, of_one
from modelramp.cli.cluster import EXIT_CODES, Cluster, Object
from modelramp.cli.reading import line, mark, printed, status_in

if TYPE_CHECKING:
    from modelramp.core.policies import Lookup


@click.command("why", epilog=EXIT_CODES)
@of_one
@click.option("--queries", is_flag=True, help="Include the queries of healthy checks, and links to Prometheus.")
def command(output: str, queries: bool, **options: Any) -> None:
    """Explain what each check found, what holds the rollout, and what has to happen next.

    Queries are shown for checks that are not healthy; you can run each as it is, at the time shown. Only the
    ModelDeployment and its health policies are read.
    """
    from modelramp.api.errors import InvalidSpec
    from modelramp.api.spec import parse_spec
    from modelramp.cli.explanation import explained

    where = asked(output=output, **options)
    obj = where.cluster.get(where.name)
    try:
        spec = parse_spec(obj["spec"])
    except InvalidSpec:
        spec = None
    found = explained(obj, spec, _policies(where.cluster, obj))
    if output != "text":
        printed(found, output)
        return
    for text in _lines(line(obj), found, status_in(obj), queries=queries):
        click.echo(text)


def _policies(cluster: Cluster, obj: Object) -> "Lookup":
    """The policies of the spec, each read once; a sentence for one that cannot be had."""
    from modelramp.api.kinds import CLUSTER_HEALTH_POLICY, HEALTH_POLICY
    from modelramp.api.policy import PolicyKind
    from modelramp.core.policies import policy_of

    found = {}
    for reference in ((obj["spec"].get("health") or {}).get("policies")) or ():
        kind = CLUSTER_HEALTH_POLICY if reference["kind"] == PolicyKind.CLUSTER else HEALTH_POLICY
        known = cluster.find(kind, reference["name"])
        if known is not None:
            found[reference["kind"], reference["name"]] = policy_of(PolicyKind(reference["kind"]), known)
    return lambda reference: found.get((reference.kind, reference.name), "cannot be read")


def _lines(head: str, found: Mapping[str, Any], status: Mapping[str, Any], *, queries: bool) -> Iterator[str]:
    yield head
    if found["checks"]:
        of = f"{found['modelVersion']} ({found['revision']})"
        yield ""
        yield visible(f"Checks of {of}, the last ticks {status.get('ticks', '')}:")
    for check in found["checks"]:
        yield from _of_check(check, queries=queries)
    for gate in found["gates"]:
        yield ""
        yield visible(f"Gate {gate['name']}: {gate['state']}: {gate['message']}")
    for title, texts in (("What holds it", found["holds"]), ("What has to happen next", found["next"])):
        if texts:
            yield f"\n{title}:"
            yield from (f"  - {visible(text)}" for text in texts)


def _of_check(check: Mapping[str, Any], *, queries: bool) -> Iterator[str]:
    value = f"{check['value'] or 'no data'} {check['limit']}".rstrip()
    role = f" ({check['role']})" if check["role"] else ""
    yield visible(f"  {mark(check['verdict'])} {check['name']}{role}: {value}")
    if check["message"]:
        yield visible(f"      {check['message']}")
    for query in check["queries"] if queries or check["verdict"] != "healthy" else ():
        what = f"{query['name']} " if len(check["queries"]) > 1 else ""
        yield visible(f"      {what}at {query['time']}: {query['query']}")
        if queries and "link" in query:
            yield visible(f"      {query['link']}")
