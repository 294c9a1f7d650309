"""Why a preset finds nothing: the metric, its labels or the revision is missing; and what these pods serve instead."""

from collections.abc import Sequence

from modelramp.analysis.counts import Series
from modelramp.analysis.matchers import narrowed
from modelramp.analysis.presets import PRESETS, Preset
from modelramp.analysis.promql import render
from modelramp.analysis.query_context import QueryContext

_FOUND, _SERVES = "found", "serves"
_UNLABELLED, _KNOWN, _ELSEWHERE, _SCRAPED = "unlabelled", "known", "elsewhere", "scraped"
_OWN = 'namespace="{{namespace}}",modeldeployment="{{name}}"'
_MOST_NAMES = 3
_ENDINGS = ("-error-rate", "-p95-latency", "-latency-mean", "-tokens-per-second", "-time-to-first-token")
"""Measures that several servers have, by the ends of their presets' names."""


def lookup(preset: Preset, subject: QueryContext) -> str:
    """A query that says what there is of a preset that found nothing: some ten series, each with the label `found`.

    Raises NotNarrowed where the subject is limited to its namespace and the query cannot be.
    """
    names = "|".join(_metrics(preset))
    everything = "|".join(dict.fromkeys(name for each in PRESETS.values() for name in each.metrics))
    served = f'group by (__name__) ({{__name__=~"{everything}",{_OWN},revision="{{{{revision}}}}"}})'
    parts = [
        _marked(f'group(up{{{_OWN},revision="{{{{revision}}}}"}})', _SCRAPED),
        f'label_replace({served}, "{_SERVES}", "$1", "__name__", "(.+)")',
    ]
    if _of_pods(preset):
        parts += [
            _marked(f'group by (revision) ({{__name__=~"{names}",{_OWN}}})', _ELSEWHERE),
            _marked(f'group({{__name__=~"{names}",modeldeployment=""}})', _UNLABELLED),
        ]
    else:
        parts.append(_marked(f'group({{__name__=~"{names}"}})', _KNOWN))
    text = render(" or ".join(parts), subject, 0)
    return narrowed(text, subject.namespace) if subject.limited else text


def told(preset: Preset, subject: QueryContext, samples: Sequence[Series]) -> str:
    """The result of the lookup, as a clause for a message."""
    found = {sample.labels.get(_FOUND) for sample in samples}
    serves = {name for sample in samples if (name := sample.labels.get(_SERVES))}
    others = sorted(
        {str(each.labels.get("revision")) for each in samples if each.labels.get(_FOUND) == _ELSEWHERE}
        - {"", "None", subject.revision}
    )
    metric = " or ".join(_metrics(preset)[:2])
    instead = _likely(preset, serves)
    reads = f"what {' or '.join(instead)} reads"
    if not _of_pods(preset):
        if _KNOWN in found:
            return f"{metric} has series, but none of Service {subject.service}: has it had a request by that gateway?"
        hint = f" These pods serve {reads}" if instead else ""
        return f"Prometheus knows no series of {metric}: is the gateway scraped?{hint}"
    if instead:
        return f"these pods do not serve {metric}, but {reads}"
    if others:
        known = ", ".join(others[:_MOST_NAMES])
        return f"{metric} has series of {known}, not of {subject.revision}: is it scraped, and has it had a request?"
    if _UNLABELLED in found:
        return f"{metric} has series, but without the labels modeldeployment and revision: see how-to/install"
    if _SCRAPED in found:
        return f"these pods are scraped and do not serve {metric}{_reference(preset)}"
    return f"Prometheus knows no series of {metric}, and scrapes no pod of this revision{_reference(preset)}"


def _reference(preset: Preset) -> str:
    if not preset.name.startswith("reference-"):
        return ""
    return "; only the reference server does: a gateway's preset needs nothing of the model"


def _metrics(preset: Preset) -> tuple[str, ...]:
    return preset.metrics or ("up",)


def _of_pods(preset: Preset) -> bool:
    return "modeldeployment" in (label for label, _ in preset.pick(QueryContext("", "", "", "")))


def _likely(preset: Preset, serves: set[str]) -> list[str]:
    """Presets of the same measure whose metrics the pods serve."""
    ending = next((each for each in _ENDINGS if preset.name.endswith(each)), None)
    if ending is None or serves & set(preset.metrics):
        return []
    same = (each for each in PRESETS.values() if each.name.endswith(ending))
    return [each.name for each in same if serves & set(each.metrics)][:_MOST_NAMES]


def _marked(vector: str, what: str) -> str:
    return f'label_replace({vector}, "{_FOUND}", "{what}", "", "")'
