"""What people write in a template arrives as they wrote it, whatever characters they use."""

import json

TEXTS = {
    "emoji": "😀 release 🎉",
    "chinese": "模型 2",
    "lines": "a\u2028b\u2029c\u0085d\n\te",
    "marks": "\ufeffa\ufffe\uffff\u007f\u0080\u009f",
    "escapes": '\\ud83d\\ude00 "quoted" \\u0041',
    "yaml": "a: b # c - [d] {e} *f &g !h %i @j `k",
}


async def test_an_applied_object_has_the_very_characters(cluster, namespace, plane):
    obj = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "a", "namespace": namespace, "annotations": TEXTS},
        "spec": {"ports": [{"port": 80}]},
    }
    answer = await cluster.apply(obj)
    kept = json.loads(plane.kubectl("get", "service", "a", "-n", namespace, "-o", "json"))

    assert {name: answer["metadata"]["annotations"][name] for name in TEXTS} == TEXTS
    assert {name: kept["metadata"]["annotations"][name] for name in TEXTS} == TEXTS
