import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelramp.desired.names import child_name, revision_in

REVISION = "bcdfghjklm"
names = st.from_regex(re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII), fullmatch=True)


def test_a_short_name_is_name_and_revision():
    assert child_name("digits", REVISION) == f"digits-{REVISION}"


@given(names)
def test_every_child_name_is_a_dns_label_that_tells_its_revision(name):
    child = child_name(name, REVISION)
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", child, re.ASCII)
    assert revision_in(child, name) == REVISION


@pytest.mark.parametrize("length", [52, 53, 63])
def test_long_names_with_one_beginning_have_different_children(length):
    one, other = "m" * (length - 1) + "a", "m" * (length - 1) + "b"
    assert child_name(one, REVISION) != child_name(other, REVISION)
    assert revision_in(child_name(one, REVISION), one) == REVISION
    assert revision_in(child_name(one, REVISION), other) is None


@pytest.mark.parametrize("child", ["digits", "other-bcdfghjklm", "digits-", ""])
def test_a_foreign_name_stands_for_no_revision(child):
    assert revision_in(child, "digits") is None
