"""PromQL that our parser does not know: what newer Prometheus servers added, and MetricsQL.

A query that is refused here may be right where it is asked. Only the marks of a known extension, in a query that is
well formed otherwise, tell it from a mistake.
"""

import re
from collections.abc import Callable
from typing import Final

from modelramp.analysis.matchers import TEXT

_KEPT: Final = re.compile(r'"(\d+)"')
_LENGTH: Final = re.compile(r"\b(?:\d+(?:ms|[smhdwy]))+")
_NOW: Final = re.compile(r"\b(?:step|range)\(\s*\)", re.IGNORECASE)
_OF_TWO: Final = re.compile(r"\b(?:min|max)_of\(", re.IGNORECASE)
_ARITHMETIC: Final = re.compile(r"[\d\s.+\-*/%^()]+")
_RANGE: Final = re.compile(r"\[([^\[\]]*)\]")
_OFFSET: Final = re.compile(r"\boffset\s*[-+]?\s*(?=\(|(?:step|range|min_of|max_of)\()", re.IGNORECASE)
_SMOOTHED: Final = re.compile(r"(?<=[\])}\s])(?:smoothed|anchored)\b", re.IGNORECASE)
_TRIM: Final = re.compile(r"</|>/")
_INFO: Final = re.compile(r"\binfo\s*\(")
_WORD: Final = re.compile(
    r"(?<=[\])}\w\"]\s)(?:default|ifnot|if)\b|\bkeep_metric_names\b|\bwith\b(?=\s*\()|\blimit\b(?=\s+\d)"
    r"|\[\d*i?\]|\b\d[\d.]*(?:[kmgt]ib?|[kmgt]b|[kgt]|i)\b",
    re.IGNORECASE,
)
_CALLED: Final = re.compile(r"\b[a-z_]\w*(?=\s*\(|\s+(?:by|without)\b)", re.IGNORECASE)
_LOOSE: Final = re.compile(r"(?:[-+*/%^<>=]|\b(?:default|if|ifnot))\s*(?:\Z|[)\]},])|(?:\A|[(\[{,])\s*[*/%^<>=]|,\s*,")
_CLOSING: Final = {")": "(", "]": "[", "}": "{"}

_METRICSQL_FUNCTIONS: Final = frozenset(
    """
    aggr_over_time any ascent_over_time bitmap_and bitmap_or bitmap_xor bottomk_avg bottomk_last bottomk_max
    bottomk_median bottomk_min buckets_limit changes_prometheus count_eq_over_time count_gt_over_time
    count_le_over_time count_ne_over_time count_values_over_time decreases_over_time default_rollup delta_prometheus
    deriv_fast descent_over_time distinct distinct_over_time drop_common_labels drop_empty_series duration_over_time
    geomean geomean_over_time histogram histogram_over_time histogram_share hoeffding_bound_lower
    hoeffding_bound_upper holt_winters ideriv increase_prometheus increase_pure increases_over_time integrate
    interpolate keep_last_value keep_next_value label_copy label_del label_graphite_group label_keep label_lowercase
    label_map label_match label_mismatch label_move label_set label_transform label_uppercase label_value
    labels_equal lag lifetime limit_offset mad median median_over_time mode mode_over_time now outlier_iqr_over_time
    outliers_iqr outliers_mad outliersk prometheus_buckets quantiles quantiles_over_time rand rand_exponential
    rand_normal range_avg range_first range_last range_linear_regression range_mad range_max range_min
    range_normalize range_over_time range_quantile range_stddev range_stdvar range_sum range_trim_outliers
    range_trim_spikes range_trim_zscore range_zscore rate_over_sum rate_prometheus remove_resets rollup
    rollup_candlestick rollup_delta rollup_deriv rollup_increase rollup_rate rollup_scrape_interval running_avg
    running_max running_min running_sum scrape_interval share share_eq_over_time share_gt_over_time
    share_le_over_time smooth_exponential sort_by_label_numeric sort_by_label_numeric_desc stale_samples_over_time
    sum2 sum2_over_time sum_eq_over_time sum_gt_over_time sum_le_over_time tfirst_over_time timestamp_with_name
    timezone_offset tlast_change_over_time tlast_over_time tmax_over_time tmin_over_time topk_avg topk_last topk_max
    topk_median topk_min union zscore zscore_over_time
    """.split()  # noqa: SIM905 - a line each would be longer than the rest of the module
)
"""Functions of metricsql 0.87 that Prometheus does not have."""


def extension_in(query: str, problem: str, is_read: Callable[[str], bool]) -> str | None:
    """Which extension a query uses that the parser does not read, in words; None when its fault is another one.

    problem: what the parser said. is_read: whether the parser reads a query.

    >>> extension_in("rate(x[2*30s])", "", lambda query: query in ("2*1", "rate(x[1m])"))
    'a computed duration (Prometheus with the feature promql-duration-expr)'
    """
    texts: list[str] = []
    closed = True

    def keep(found: re.Match[str]) -> str:
        nonlocal closed
        closed = closed and (found.lastindex is None or bool(found[found.lastindex]))
        texts.append(found[0])
        return " " if found[0].startswith("#") else f'"{len(texts) - 1}"'

    code = TEXT.sub(keep, query)
    if not closed or not _is_balanced(code):
        return None
    plain, used = _without_newer(code, is_read)
    if used is not None and is_read(_KEPT.sub(lambda found: texts[int(found[1])], plain)):
        return used
    if _INFO.search(code) and "non-empty matcher" in problem:
        return "a selector within info() without a matcher that excludes the empty text (newer Prometheus)"
    if (word := _metricsql_in(code)) is not None and not _LOOSE.search(code):
        return f"{word} (MetricsQL, which VictoriaMetrics answers and Prometheus refuses)"
    return None


def _is_balanced(code: str) -> bool:
    """Whether the brackets fit each other."""
    opened: list[str] = []
    for character in _KEPT.sub("", code):
        if character in _CLOSING.values():
            opened.append(character)
        elif character in _CLOSING and (not opened or opened.pop() != _CLOSING[character]):
            return False
    return not opened


def _without_newer(code: str, is_read: Callable[[str], bool]) -> tuple[str, str | None]:
    """The code in the words of an older Prometheus, and what of it is newer."""
    used: str | None = None
    computed = "a computed duration (Prometheus with the feature promql-duration-expr)"

    def of_range(found: re.Match[str]) -> str:
        nonlocal used
        parts = found[1].split(":")
        if not any(_is_computed(part, is_read) for part in parts):
            return found[0]
        used = computed
        return "[" + ":".join("1m" if _is_computed(part, is_read) else part for part in parts) + "]"

    code = _RANGE.sub(of_range, code)
    pieces, done = [], 0
    for found in _OFFSET.finditer(code):
        end = _end_of_operand(code, found.end())
        if found.start() >= done and _is_computed(code[found.end() : end], is_read):
            pieces += [code[done : found.start()], "offset 1m"]
            used, done = computed, end
    code = "".join((*pieces, code[done:]))
    if _SMOOTHED.search(code):
        code = _SMOOTHED.sub(" ", code)
        used = "smoothed or anchored (Prometheus with the feature promql-extended-range-selectors)"
    if _TRIM.search(code):
        code, used = _TRIM.sub(">", code), "the operators </ and >/ (newer Prometheus)"
    return code, used


def _is_computed(duration: str, is_read: Callable[[str], bool]) -> bool:
    """Whether a duration is an expression, such as 2*30s, and a right one."""
    if not duration.strip() or _LENGTH.fullmatch(duration.strip()):
        return False
    plain = _NOW.sub("1", _LENGTH.sub("1", duration))
    if _OF_TWO.search(plain):
        plain = _OF_TWO.sub("(", plain).replace(",", "+")
    return _ARITHMETIC.fullmatch(plain) is not None and is_read(plain.strip())


def _end_of_operand(code: str, start: int) -> int:
    """Where an operand that begins with a bracket, or with a function's name, ends."""
    depth = 0
    for place in range(start, len(code)):
        depth += (code[place] == "(") - (code[place] == ")")
        if code[place] == ")" and depth == 0:
            return place + 1
    return len(code)


def _metricsql_in(code: str) -> str | None:
    """A word of the code that only MetricsQL has."""
    called = (found[0].lower() for found in _CALLED.finditer(code))
    if (function := next((name for name in called if name in _METRICSQL_FUNCTIONS), None)) is not None:
        return f"{function}()"
    word = _WORD.search(code)
    return word[0] if word is not None else None
