"""Imports go one way, and no reason is promised that is never given."""

import re
import subprocess
import sys
from pathlib import Path

from modelramp.api.names import Reason
from tests.rules.tree import ROOT, under


def test_imports_go_one_way():
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_reason_is_given_somewhere():
    """A reason that people search the documentation for, and that no code gives, is a promise broken."""
    code = " ".join(path.read_text("utf-8") for path in under("operator") if path.name != "names.py")
    assert [reason.name for reason in Reason if not re.search(rf"Reason\.{reason.name}\b", code)] == []
