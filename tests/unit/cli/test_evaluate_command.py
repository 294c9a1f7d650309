"""`modelramp evaluate`: the JSON that people and programs read, and what it says of numbers that cannot be used."""

import json

import pytest
from click.testing import CliRunner

from modelramp.cli.main import main

MANIFEST = """\
apiVersion: modelramp.io/v1alpha1
kind: ModelDeployment
metadata: {name: digits}
spec:
  model: {name: digits, version: "2.0.0"}
  template: {spec: {containers: [{name: model, image: digits}]}}
  routing: {gateway: {parentRefs: [{name: public}]}}
  health:
    checks:
    - {name: errors, ratio: {bad: b, total: t}, max: 0.01, minSamples: 30}
    - {name: rates, compare: {bad: b, total: t}}
    - {name: means, compare: {sum: s, count: c, maxRelativeIncrease: 0.1}, unit: s}
    - {name: plain, compare: {sum: s, count: c}, unit: s}
    - {name: p95, compare: {buckets: b}, unit: s}
    - {name: looks, sequential: {bad: b, total: t}}
    - {name: limited, sequential: {bad: b, total: t}, max: 0.03}
    - {name: mean-looks, sequential: {sum: s, count: c}}
    - {name: drift, drift: {buckets: b}}
    - {name: stored, drift: {measure: ks, buckets: b, reference: {buckets: {"1": 500, "2": 900, "+Inf": 1000}}}}
    - {name: queried, drift: {buckets: b, reference: {query: q}}}
    - {name: quality, drift: {measure: performance, bad: b, total: t, reference: {bad: 50, total: 1000}}}
    - {name: fair, fairness: {bad: b, total: t}}
    - {name: tolerant, compare: {bad: b, total: t, maxIncrease: 0.1}}
    - {name: risen, drift: {measure: performance, sum: s, count: c, reference: {sum: 100, count: 100}}}
    - {name: apart, fairness: {bad: b, total: t, maxDifference: 0.1}}
    - {name: fifths, fairness: {bad: b, total: t, maxDifference: 0.1, minSuccessRatio: 0.9}}
    - {name: cost, cost: {sum: s, count: c}, max: 0.01}
    - {name: budget, cost: {usage: {tokens: t}, prices: {tokens: "0.001"}, count: c, budget: 10}}
    - {name: value, query: up, max: 0.01}
    - {name: counted, preset: reference-error-rate, minSamples: 100, samples: s}
"""
BUCKETS = {"buckets": {"1": 500, "2": 900, "+Inf": 1000}}
SHIFTED = {"buckets": {"1": 100, "2": 300, "+Inf": 1000}}
FAST = {"buckets": {"1": 1000, "2": 1000, "+Inf": 1000}}
SLOW = {"buckets": {"1": 0, "2": 1000, "+Inf": 1000}}
USED = {"usage": {"tokens": 4_000}, "count": 300}
HUGE = {"sum": 1e300, "count": 3}
FAST_FEW = {"buckets": {"1": 90, "2": 108, "+Inf": 110}}
FASTER_FEW = {"buckets": {"1": 95, "2": 109, "+Inf": 110}}
OTHER_EDGES = {"buckets": {"1": 5, "3": 900, "+Inf": 1000}}
NATIVE = {"buckets": [[0, 1, 100], [1, 2, 200], [2, 4, 700]]}
AS_ANSWERED = {"buckets": [[3, "-Inf", "1", "100"], [0, "1", "2", "200"], [0, "2", "+Inf", "700"]]}
KEYS = ["verdict", "value", "limit", "interval", "pValue", "n", "reason"]


def evaluate(tmp_path, check, data, *more):
    (tmp_path / "digits.yaml").write_text(MANIFEST)
    (tmp_path / "data.json").write_text(data if isinstance(data, str) else json.dumps(data))
    files = ["-f", str(tmp_path / "digits.yaml"), "--data", str(tmp_path / "data.json")]
    return CliRunner().invoke(main, ["evaluate", *files, "--check", check, *more])


def bad(n, total):
    return {"bad": n, "total": total}


def spent(total, count):
    return {"sum": total, "count": count}


def groups(**arms):
    return {"groups": {name: bad(*arm) for name, arm in arms.items()}}


def arms(candidate, stable=None, key="stable"):
    return {"candidate": candidate} | ({key: stable} if stable is not None else {})


VERDICTS = {
    "a rate above its limit": ("errors", arms(bad(37, 1204)), "breach", "3.07 % (95 % CI 2.24 to 4.21 %) is above 1 %"),
    "a rate above it by chance": ("errors", arms(bad(1, 40)), "healthy", "not evidence enough"),
    "a thin sample": ("errors", arms(bad(5, 20)), "no-data", "at least 30 are needed"),
    "no traffic": ("errors", arms(bad(0, 0)), "no-data", "nothing was counted"),
    "negative": ("errors", arms(bad(-1, 100)), "no-data", "use increase()"),
    "NaN": ("errors", '{"candidate": {"bad": NaN, "total": 100}}', "no-data", "not a finite number"),
    "NaN as text": ("errors", arms(bad("NaN", "100")), "no-data", "not a finite number"),
    "more bad than all": ("errors", arms(bad(101, 100)), "breach", "(bad counts 101 of 100, which is all of them)"),
    "three tries of each": ("errors", arms(bad(180, 60)), "breach", "100 % (95 % CI 94 to 100 %) is above 1 %, n = 60"),
    "failures that the total leaves out": ("errors", arms(bad(180, 0)), "breach", "100 %"),
    "the noise of two counters": ("errors", arms(bad(-0.6, 60)), "healthy", "0 % (95 % CI 0 to 6.02 %)"),
    "the noise of very many": ("errors", arms(bad(-9, 10_000)), "healthy", "0 %"),
    "more than noise": ("errors", arms(bad(-11, 10_000)), "no-data", "use increase()"),
    "a whole event below 0": ("errors", arms(bad(-1, 60)), "no-data", "use increase()"),
    "more bad than all in looks": ("limited", arms([bad(90, 30)] * 5), "breach", "against a limit of 3 %"),
    "more bad than all in a group": ("fair", arms(groups(a=(3, 100), b=(300, 100))), "breach", "100 % of 100 in"),
    "a worse version": ("rates", arms(bad(60, 1000), bad(20, 1000)), "breach", "with the stable version"),
    "an equal version": ("rates", arms(bad(20, 1000), bad(20, 1000)), "healthy", "p = 1"),
    "stable without traffic": ("rates", arms(bad(20, 1000), bad(0, 0)), "no-data", "stable version: nothing"),
    "stable not given": ("rates", arms(bad(20, 1000)), "no-data", 'add "stable"'),
    "slower": ("means", arms(spent(120, 100), spent(100, 100)), "no-data", "mean 1.2 s against 1 s"),
    "slower within tolerance": ("means", arms(spent(109, 100), spent(100, 100)), "healthy", "mean 1.09 s"),
    "a slower quantile": ("p95", arms(SLOW, FAST), "breach", "p95 1.95 s"),
    "other buckets": ("p95", arms(BUCKETS, OTHER_EDGES), "no-data", "different buckets"),
    "no buckets": ("p95", arms({"buckets": {}}, BUCKETS), "no-data", "candidate: the histogram has no buckets"),
    "a counter that fell": ("p95", arms({"buckets": {"1": 9, "+Inf": 3}}, BUCKETS), "no-data", "lower than"),
    "a few bad ticks": ("looks", arms([bad(3, 30)] * 8, [bad(1, 270)] * 8), "breach", "over all looks (alpha 0.05)"),
    "one bad tick": ("looks", arms([bad(3, 30)], [bad(1, 270)]), "healthy", "over all looks"),
    "ten times the limit": ("limited", arms([bad(6, 30)] * 5), "breach", "against a limit of 3 %"),
    "the limit itself": ("limited", arms([bad(3, 100)] * 9), "healthy", "against a limit of 3 %"),
    "means without spread": ("mean-looks", arms([spent(3, 30)] * 9, [spent(3, 30)] * 9), "no-data", "no spread"),
    "means without spread but for rounding": (
        "mean-looks",
        arms([spent(30, 30)] * 50, [spent(20, 30)] * 50),
        "no-data",
        "no spread",
    ),
    "sums beyond floating point": ("mean-looks", arms([HUGE] * 9, [HUGE] * 9), "no-data", "larger unit"),
    "means that only rounding tells apart": ("plain", arms(spent(0.1 * 3, 3), spent(0.3, 3)), "healthy", "0.1 s"),
    "a difference as large as is tolerated": (
        "tolerant",
        arms(bad(4000, 10_000), bad(3000, 10_000)),
        "healthy",
        "10 percentage points more tolerated",
    ),
    "a difference just above it": ("tolerant", arms(bad(4001, 10_000), bad(3000, 10_000)), "healthy", "may be chance"),
    "a difference well above it": ("tolerant", arms(bad(4200, 10_000), bad(3000, 10_000)), "breach", "more than that"),
    "a slower quantile that may be chance": ("p95", arms(FAST_FEW, FASTER_FEW), "healthy", "chance may explain"),
    "five percent, as tolerated": ("risen", arms(spent(105, 100)), "healthy", "+5 % from the baseline of 1, limit +5"),
    "a little more than five percent": ("risen", arms(spent(105.1, 100)), "breach", "limit +5 %"),
    "groups as far apart as is tolerated": (
        "apart",
        arms(groups(a=(400_000, 1_000_000), b=(300_000, 1_000_000))),
        "healthy",
        "30 % of 1,000,000 in b; 10 percentage points tolerated; success ratio 0.8571 (four-fifths rule: 0.8)",
    ),
    "groups further apart than that": (
        "apart",
        arms(groups(a=(403_000, 1_000_000), b=(300_000, 1_000_000))),
        "breach",
        "success ratio 0.8529",
    ),
    "groups that keep one limit of two": (
        "fifths",
        arms(groups(a=(400_000, 1_000_000), b=(300_000, 1_000_000))),
        "breach",
        "10 percentage points tolerated; success ratio 0.8571 (at least 0.9 wished)",
    ),
    "drift": ("drift", arms(SHIFTED, BUCKETS), "breach", "PSI"),
    "a native histogram": ("drift", arms(NATIVE, NATIVE), "healthy", "PSI 0, limit"),
    "a native histogram as Prometheus has it": ("drift", arms(AS_ANSWERED, AS_ANSWERED), "healthy", "PSI 0, limit"),
    "native against classic": ("drift", arms(AS_ANSWERED, BUCKETS), "breach", "PSI"),
    "an empty native histogram": ("p95", arms({"buckets": []}, NATIVE), "no-data", "candidate: the histogram has no"),
    "no drift": ("drift", arms(BUCKETS, BUCKETS, "reference"), "healthy", "PSI 0, limit 0.2"),
    "a stored reference": ("stored", arms(SHIFTED), "breach", "Kolmogorov-Smirnov"),
    "a missing reference": ("queried", arms(SHIFTED), "no-data", "reference: no numbers of it are given"),
    "fallen quality": ("quality", arms(bad(150, 1000)), "breach", "from the baseline of 95 %"),
    "unfair": ("fair", arms(groups(a=(3, 100), b=(30, 100))), "breach", "30 % of 100 in group b, 3 % of 100 in a"),
    "small groups": ("fair", arms(groups(a=(3, 10), b=(9, 10))), "no-data", "0 of 2 groups"),
    "too many groups": ("fair", arms(groups(**{f"g{i}": (1, 90) for i in range(10_000)})), "no-data", "10,000 groups"),
    "dear": ("cost", arms(spent(12.5, 300)), "breach", "0.04167 each, limit 0.01"),
    "a negative price": ("cost", arms(spent(-1, 300)), "no-data", "check the prices"),
    "over budget": ("budget", arms({"usage": {"tokens": 20_000}, "count": 300}), "breach", "200 % of the budget of 10"),
    "a budget without traffic": ("budget", arms({"usage": {"tokens": 0}, "count": 0}), "no-data", "is there traffic?"),
    "a budget overdrawn for nothing": ("budget", arms({"usage": {"tokens": 20_000}, "count": 0}), "breach", "200 %"),
    "a budget spent over three ticks": ("budget", arms([USED, USED, USED]), "breach", "12 spent, 120 % of the budget"),
    "a budget kept over two ticks": ("budget", arms([USED, USED]), "healthy", "8 spent, 80 % of the budget"),
    "a missing price": ("budget", arms({"usage": {"images": 2}, "count": 300}), "no-data", "add prices.images"),
    "a number": ("value", arms(0.02), "breach", "0.02, limit 0.01"),
    "a number from counts": ("value", arms(bad(1, 100)), "healthy", "0.01, limit 0.01"),
    "a number from impossible counts": ("value", arms(bad(-1, -200)), "no-data", "bad is negative"),
    "a number from more bad than all": ("value", arms(bad(3, 2)), "breach", "1, limit 0.01"),
    "a number from no traffic": ("value", arms(bad(0, 0)), "no-data", "NaN"),
    "a number that is none": ("value", arms({"value": "NaN"}), "no-data", "NaN"),
    "enough samples": ("counted", arms({"value": 0.02, "samples": 100}), "breach", "2 %, limit 1 %"),
    "too few samples": ("counted", arms({"value": 0.02, "samples": 99}), "no-data", "99 samples, at least 100"),
}  # fmt: skip


@pytest.mark.parametrize(("check", "data", "verdict", "words"), VERDICTS.values(), ids=VERDICTS)
def test_numbers_give_the_verdict_with_its_sentence(tmp_path, check, data, verdict, words):
    done = evaluate(tmp_path, check, data)
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert list(found) == KEYS
    assert found["verdict"] == verdict
    assert words in found["reason"]


def test_the_json_has_every_number_and_null_where_none_applies(tmp_path):
    found = json.loads(evaluate(tmp_path, "errors", arms(bad(37, 1204))).output)
    assert found["value"] == pytest.approx(0.030731, abs=1e-6)
    assert (found["limit"], found["n"], found["pValue"]) == (0.01, 1204, None)
    assert found["interval"] == pytest.approx([0.022376, 0.042070], abs=1e-6)
    none = json.loads(evaluate(tmp_path, "errors", arms(bad(0, 0))).output)
    assert [none[key] for key in ("value", "interval", "pValue")] == [None] * 3


def test_infinite_numbers_do_not_break_the_json(tmp_path):
    beyond = {"buckets": {"1": 0, "2": 10, "+Inf": 1000}}
    done = evaluate(tmp_path, "p95", arms(beyond, BUCKETS | {"buckets": {"1": 900, "2": 1000, "+Inf": 1000}}))
    found = json.loads(done.output, parse_constant=pytest.fail)
    assert (found["verdict"], found["value"], found["interval"][1]) == ("breach", None, None)


def test_people_get_one_line(tmp_path):
    done = evaluate(tmp_path, "value", arms(0.02), "--output", "text")
    assert done.output == "value: breach (AboveMaximum): 0.02, limit 0.01\n"


UNUSABLE = {
    "no JSON": ("errors", "{", "data.json: is not JSON"),
    "a list": ("errors", "[]", 'is a list; write {"candidate": {"bad": 12, "total": 1204}}'),
    "no candidate": ("errors", "{}", 'has no "candidate"'),
    "an unknown key": ("errors", {"control": bad(1, 2)}, 'unknown key "control"'),
    "another kind of arm": ("errors", arms(BUCKETS), "candidate has buckets; this check counts bad and total"),
    "half an arm": ("fair", arms({"groups": {"a": {"bad": 1}}}), "candidate.groups.a has bad; this check counts"),
    "a text": ("errors", arms(bad("many", 5)), 'candidate.bad is the text "many"; write a number'),
    "true": ("errors", arms(bad(True, 5)), "candidate.bad is true; write a number"),
    "null": ("cost", arms(spent(None, 5)), "candidate.sum is null; write a number"),
    "far too large": ("errors", '{"candidate": {"bad": 1' + "0" * 400 + ', "total": 1}}', "too large for a number"),
    "arms of different length": ("looks", arms([bad(1, 5)], [bad(1, 5)] * 2), "candidate has 1 ticks and stable 2"),
    "no ticks": ("looks", arms([], []), "candidate is an empty list"),
    "both others": ("rates", arms(bad(1, 5), bad(1, 5)) | {"reference": bad(1, 5)}, 'both "stable" and "reference"'),
    "a key twice": ("errors", '{"candidate": {"bad": 1, "bad": 2, "total": 3}}', 'has "bad" twice'),
    "nested beyond reason": ("errors", "[" * 100_000, "nested too deeply"),
    "samples missing": ("counted", arms(0.02), 'needs "samples"'),
    "a broken native bucket": ("drift", arms({"buckets": [[1, 2]]}), "a native histogram's bucket is"),
    "an unknown check": ("eror", "{}", 'has no check "eror"'),
}


@pytest.mark.parametrize(("check", "data", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_data_that_cannot_be_read_is_named_with_what_is_wished(tmp_path, check, data, words):
    done = evaluate(tmp_path, check, data)
    assert done.exit_code == 1
    assert words in done.output
    assert "Traceback" not in done.output


def test_a_manifest_that_the_server_would_refuse_is_refused(tmp_path):
    (tmp_path / "digits.yaml").write_text(MANIFEST.replace("max: 0.01, minSamples", "minSamples", 1))
    (tmp_path / "data.json").write_text("{}")
    files = ["-f", str(tmp_path / "digits.yaml"), "--data", str(tmp_path / "data.json")]
    done = CliRunner().invoke(main, ["evaluate", *files, "--check", "errors"])
    assert done.exit_code == 1
    assert "digits.yaml:10: spec.health.checks[0]: set min, max or both" in done.output
