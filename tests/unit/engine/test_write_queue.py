"""Whose writes come next: rollbacks beside everything else, then by priority, then in turns by namespace."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from modelramp.engine.limiter import Priority
from modelramp.engine.write_queue import Places, WriteQueue


def taken(queue):
    found = []
    while (key := queue.take()) is not None:
        found.append(key)
    return found


FOUR = Places(4, 2)


def queue_of(*entries, others=FOUR, rollbacks=FOUR):
    queue = WriteQueue(rollbacks, others)
    for key, priority in entries:
        queue.put(key, priority)
    return queue


def test_what_is_more_urgent_comes_first():
    queue = queue_of(
        (("a", "report"), Priority.REPORT),
        (("b", "creation"), Priority.CREATION),
        (("c", "promotion"), Priority.PROMOTION),
        (("d", "rollback"), Priority.ROLLBACK),
    )
    assert [name for _, name in taken(queue)] == ["rollback", "promotion", "creation", "report"]


def test_a_rollback_has_a_place_when_all_others_are_taken():
    queue = queue_of(*(((f"ns{n}", "x"), Priority.REPORT) for n in range(9)))
    assert len(taken(queue)) == 4
    queue.put(("late", "x"), Priority.ROLLBACK)
    assert queue.take() == ("late", "x")


def test_one_namespace_never_holds_all_places():
    queue = queue_of(*((("flood", str(n)), Priority.PROMOTION) for n in range(100)))
    assert len(taken(queue)) == 2
    queue.put(("quiet", "x"), Priority.REPORT)
    assert queue.take() == ("quiet", "x")


def test_namespaces_take_turns_and_a_place_comes_back():
    queue = queue_of(
        *((("flood", str(n)), Priority.REPORT) for n in range(3)),
        *((("quiet", str(n)), Priority.REPORT) for n in range(2)),
        others=Places(1, 1),
    )
    order = []
    while (key := queue.take()) is not None:
        order.append(key[0])
        queue.done(key)
    assert order == ["flood", "quiet", "flood", "quiet", "flood"]


def test_an_object_that_becomes_urgent_moves_up_and_stands_there_once():
    queue = queue_of((("a", "x"), Priority.REPORT), (("a", "x"), Priority.ROLLBACK))
    assert taken(queue) == [("a", "x")]
    assert queue.depth(Priority.REPORT) == queue.depth(Priority.ROLLBACK) == 0


def test_what_was_dropped_is_not_written():
    queue = queue_of((("a", "x"), Priority.REPORT))
    queue.drop(("a", "x"))
    queue.drop(("a", "never there"))
    assert taken(queue) == []


STEPS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.sampled_from(Priority), st.booleans()))


@given(STEPS)
def test_bounds_hold_and_nothing_is_lost_whatever_the_order(steps):
    queue, busy, put, done = WriteQueue(Places(3, 2), Places(3, 2)), set(), {}, Counter()
    for namespace, number, priority, ends in steps:
        key = (namespace, str(number))
        if key not in busy:
            queue.put(key, priority)
            put[key] = priority
        if ends and busy:
            ended = min(busy)
            queue.done(ended)
            busy.discard(ended)
        for taking in taken(queue):
            assert taking not in busy
            busy.add(taking)
            done[taking] += 1
            del put[taking]
        assert len(busy) <= 6
        assert max(Counter(namespace for namespace, _ in busy).values(), default=0) <= 4
    while busy:
        ended = min(busy)
        queue.done(ended)
        busy.discard(ended)
        for taking in taken(queue):
            busy.add(taking)
            del put[taking]
    assert not put
