"""`modelramp presets`: the queries that modelramp brings."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click

from modelramp.analysis.presets import PRESETS, Preset, preset_named, preset_problem
from modelramp.analysis.wording import Limits, limit_text


@click.command("presets")
@click.argument("name", required=False)
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "markdown"]), default="table", help="Output format."
)
def command(name: str | None, output: str) -> None:
    """List the presets for spec.health.checks[].preset, or show one with its query.

    A prefix, such as vllm or traefik, lists the presets whose names begin with it.
    """
    presets = _chosen(name)
    one = preset_named(name)
    if output == "json":
        click.echo(json.dumps(as_json(one) if one else [as_json(preset) for preset in presets], indent=2))
    elif output == "markdown":
        click.echo(as_markdown(presets), nl=False)
    else:
        click.echo(as_text(one) if one else as_table(presets))


def _chosen(name: str | None) -> tuple[Preset, ...]:
    """The preset of that name, else all whose names begin so; raises click.BadParameter if there are none."""
    if name is None:
        return tuple(PRESETS.values())
    if (one := preset_named(name)) is not None:
        return (one,)
    found = tuple(preset for preset in PRESETS.values() if preset.name.startswith(f"{name}-"))
    if not found:
        raise click.BadParameter(preset_problem(name) or "", param_hint="NAME")
    return found


def limit_of(preset: Preset) -> str:
    """The preset's own limits, as in status."""
    return limit_text(Limits(preset.min, preset.max, preset.unit))


def as_json(preset: Preset) -> dict[str, Any]:
    """One preset for programs; a limit that does not exist is null."""
    return {
        "name": preset.name,
        "summary": preset.summary,
        "dimension": preset.dimension.value,
        "unit": preset.unit,
        "min": preset.min,
        "max": preset.max,
        "use": use_of(preset),
        "query": preset.query,
        "source": preset.source,
    }


def as_table(presets: Sequence[Preset]) -> str:
    """One line for each preset."""
    rows = [("NAME", "DIMENSION", "LIMIT", "WHAT")]
    rows += [(preset.name, preset.dimension.value, limit_of(preset), preset.summary) for preset in presets]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3])) for row in rows
    )


def use_of(preset: Preset) -> str:
    """The line of YAML that uses it: a whole check, with an example of a limit where the preset has none."""
    limit = f", {preset.example}" if preset.example else ""
    return f"checks: [{{name: {preset.name}, preset: {preset.name}{limit}}}]"


def as_text(preset: Preset) -> str:
    """All about one preset, and the line that uses it."""
    own = "  # an example: there is no usual limit, set your own" if preset.example else ""
    return "\n".join(
        (
            f"{preset.name}: {preset.summary}",
            f"dimension  {preset.dimension.value}",
            f"limit      {limit_of(preset)}",
            f"source     {preset.source}",
            f"use        {use_of(preset)}{own}",
            f"query      {preset.query}",
        )
    )


def as_markdown(presets: Iterable[Preset]) -> str:
    """The page docs/reference/presets.md."""
    lines = [_HEAD, "| preset | dimension | unit | limit of its own | what it measures |", "|---|---|---|---|---|"]
    presets = tuple(presets)
    lines += [
        f"| [`{p.name}`](#{p.name}) | {p.dimension.value} | {p.unit} | {limit_of(p)} | {p.summary} |" for p in presets
    ]
    for preset in presets:
        lines += ["", f"## {preset.name}", "", f"Source: {preset.source}", "", "```promql", preset.query, "```"]
    return "\n".join(lines) + "\n"


_HEAD = """# Presets

<!-- Made by `modelramp presets -o markdown`; a test keeps it current. -->

A preset is a query that modelramp brings: `checks: [{name: errors, preset: reference-error-rate}]` is a whole check. Its own
limit holds unless the check sets `min` or `max`. No query names an object, so one answer serves all ModelDeployments
that use the preset with the same window. Latencies are told in seconds, whatever the server counts in.

## What the presets expect

*From the pods.* Prometheus must put the pod's labels on the series as `namespace`, `modeldeployment` (from
`modelramp.io/deployment`) and `revision` (from `modelramp.io/revision`); that holds for every server below and for
Linkerd's proxies, whose port 4191 has to be scraped with the same labels. With OpenTelemetry, metrics that are pushed
need the three labels from the collector. A model server that several models share cannot be told apart by them.

*Failures* count from the first one on, although most servers make the series with it; a total whose label for the status
has another name is no data: [decision 25](../decisions/0025-failures-are-counted-from-birth.md).

*Histograms* may be classic or native. Only `kserve-error-rate`, `flask-error-rate`, `gen-ai-error-rate`,
`gen-ai-tokens-per-second` and `tgi-tokens-per-second` add up the `_count` or `_sum` of a histogram: where Prometheus
turns those into native ones, let it keep the classic ones too (`always_scrape_classic_histograms: true`).

*Several worker processes* in a pod must share their metrics (as gunicorn's do with `PROMETHEUS_MULTIPROC_DIR`). KServe's Python
server and uvicorn with `--workers` do not: each scrape meets another process, and nothing of it can be used.

*LiteLLM* serves its metrics with `litellm_settings: {callbacks: [prometheus]}`, and to Prometheus only with a key or with
`require_auth_for_metrics_endpoint: false`. *What no server counts*, a dead vLLM, an exception that `mlflow models serve` answers with
400 or a server without metrics (LitServe without an exporter), is seen by a gateway at most: pair the two.

*From gateways.* The other gateways name the Service that a request went to, and each revision has its own:

| gateway | which series |
|---|---|
| Traefik | Gateway API provider, metrics with service labels |
| Istio | Istio's own proxies and gateways, as the caller saw it (`reporter="source"`) |
| Contour | its Envoy's cluster statistics |
| ingress-nginx | the controller's own metrics, with or without `honorLabels` |
| Envoy Gateway | its Envoys' cluster statistics, with `mergeBackends` (below); without it one cluster holds all backends of a rule |

Envoy Gateway 1.9 or later (experimental there) makes an Envoy cluster for each Service when the EnvoyProxy that the
GatewayClass or the Gateway names as its parameters says so. Prometheus scrapes port 19001 of the Envoys, path
`/stats/prometheus`:

```yaml
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyProxy
metadata: {name: modelramp, namespace: envoy-gateway-system}
spec:
  mergeBackends: {}      # not together with mergeGateways
---
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: eg}
spec:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
  parametersRef: {group: gateway.envoyproxy.io, kind: EnvoyProxy, name: modelramp, namespace: envoy-gateway-system}
```

A route falls back to one cluster for all backends, and its checks to *no data*, while a BackendTrafficPolicy targets the
route or the listener with settings of the cluster (load balancer, circuit breaker, health check, timeout ...) or targets the
route without `mergeType`, while a ClientTrafficPolicy sets HTTP/1 options for the listener alone, and while the Gateway
balances by `ConsistentHash` and the route names two versions. Set such things for the whole Gateway. What other routes
send to the same Service counts too. Where no pod of a version is ready, Envoy Gateway answers 503 in its place and counts
that nowhere; the built-in availability check sees it.

*In Contour's and Envoy Gateway's Envoys* a request counts once, as it ended for the caller, however often it was tried. One
that ended without a pod's answer (503, 504) is an error whose time is in no latency; one that was cut off after its
headers counts as the status that it had.

*`reference-...`* read what [the reference model server](../how-to/reference-server.md) serves, and no other. Their names without
`reference-` are read for one more release.

*In Ray Serve's deployments, TGI and TorchServe* the counter of failures appears with the first one. While it is missing, what
began and was not done may have failed under another name: within the limit that counts as the share, beyond it the check is no
data (`MetricUnknown`). Of TorchServe scrapes and probes hide as many; TGI counts callers who leave a stream nowhere, so they may be
taken for such requests until something fails or is refused.

*In modelramp's own names.* No convention exists for these, so the names are ours. Serve all of a preset's counters
from the start at 0: a counter of failures that is missing may have been renamed, so it is no data (`MetricUnknown`). What is
known only later (a label, a rating, how a conversation ended) carries the label `answered_by`: the revision that
answered, or that began the conversation, whichever pod or job counts it.

| metric | kind | counts |
|---|---|---|
| `prediction_requests_total`, `model_errors_total` | counters | valid requests, and those that the model failed to answer |
| `prediction_latency_seconds` | histogram | time to an answer or a failure |
| `model_refusals_total` | counter | requests that the model declined to answer |
| `model_feedback_total`, `model_feedback_correct_total` | counters, `answered_by` | answers whose truth arrived, and those that it confirmed |
| `model_answers_judged_total`, `model_hallucinations_total` | counters, `answered_by` | answers that a judge read, and those that say what is not so |
| `model_prediction_excess_total`, `model_prediction_shortfall_total` | counters, `answered_by` | a regressor's summed errors: answer minus truth where too high, truth minus answer where too low |
| `model_absolute_percentage_error` | histogram or summary, `answered_by` | abs(answer - truth) / abs(truth), for truths other than 0 |
| `conversations_ended_total` | counter, `answered_by` | conversations that came to any end |
| `conversations_resolved_total`, `conversations_deflected_total`, `conversations_abandoned_total` | counters, `answered_by` | those settled, those that no human took over, those that the user left |
| `conversation_cost_total` | counter, `answered_by` | money spent on conversations |
| `conversation_turns`, `conversation_rating` | histograms or summaries, `answered_by` | turns of a conversation; a user's rating, 1 to 5 |

## All presets
"""  # noqa: E501 - a row of a table is one line
