"""scipy is imported before the first check that needs it, and not by the event loop."""

import asyncio
import subprocess
import sys

import pytest

from modelramp.api.check import Check
from modelramp.engine.rounds import Loading

COUNTS = {"bad": "b", "total": "t"}
THRESHOLD = {"query": "q", "max": 1}
CHECKS = {
    "threshold": (THRESHOLD, False),
    "preset": ({"preset": "reference-error-rate"}, False),
    "ratio": ({"ratio": COUNTS, "max": "0.1"}, False),
    "compare": ({"compare": COUNTS}, False),
    "compare with a tolerance": ({"compare": {**COUNTS, "maxIncrease": "0.01"}}, True),
    "sequential": ({"sequential": COUNTS}, False),
    "cost": ({"cost": {"sum": "s", "count": "c"}, "max": 1}, False),
    "drift of a mean": ({"drift": {"measure": "mean-shift", "buckets": "b"}}, False),
    "drift of quality": ({"drift": {"measure": "performance", **COUNTS}}, True),
    "drift of a mean error": ({"drift": {"measure": "performance", "sum": "s", "count": "c"}}, False),
    **{
        measure: ({"drift": {"measure": measure, "buckets": "b"}}, True)
        for measure in ("psi", "ks", "js", "chi-square")
    },
    "fairness": ({"fairness": COUNTS}, True),
}


@pytest.mark.parametrize(("fields", "wished"), CHECKS.values(), ids=CHECKS)
async def test_it_is_loaded_once_and_only_for_a_check_that_needs_it(fields, wished):
    loaded = []

    async def load():
        loaded.append(1)

    loading = Loading(load)
    checks = [Check.model_validate({"name": "a", **each}) for each in (THRESHOLD, fields)]
    for _ in range(2):
        if loading.needed(checks):
            await asyncio.gather(loading.done(), loading.done())
    assert not loading.needed(checks)
    assert loaded == ([1] if wished else [])


JUDGE = """
import sys
from modelramp.analysis import accumulated, evidence
from modelramp.analysis.counts import Shape
from modelramp.analysis.kinds import check_kind
from modelramp.analysis.stats import histograms
from modelramp.api.check import Check
buckets = histograms.Buckets((1.0, 2.0, float("inf")), (500.0, 300.0, 200.0))
rates, means = evidence.Proportion(50.0, 500.0), evidence.Mean(50.0, 500.0)
for fields in FIELDS:
    check = Check.model_validate({"name": "a", **fields})
    kind, arms = check_kind(check), {Shape.BUCKETS: buckets, Shape.PROPORTION: rates, Shape.MEAN: means}
    arm = arms[kind.shapes(check)[0]]
    kind.result(check, arm, arm, accumulated.Window())
print("scipy" in sys.modules)
"""


def test_the_checks_that_do_not_need_it_never_import_it():
    without = [fields for fields, needs in CHECKS.values() if not needs and not {"query", "preset"} & set(fields)]
    code = JUDGE.replace("FIELDS", repr(without))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


ASIDE = """
import asyncio, sys, threading
from modelramp.operator import options
from modelramp.settings import Settings

class Finder:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == "scipy":
            threads.add(threading.current_thread() is threading.main_thread())

threads = set()
sys.meta_path.insert(0, Finder())
asyncio.run(options(Settings()).load())
print("scipy.special" in sys.modules, threads)
"""


def test_the_operator_imports_it_beside_the_event_loop():
    done = subprocess.run([sys.executable, "-c", ASIDE], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "True {False}"
