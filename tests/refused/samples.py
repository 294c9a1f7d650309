"""The manifests of this folder: what `kubectl apply` must refuse and say, and what it must accept."""

from pathlib import Path

import yaml

HERE = Path(__file__).parent
REFUSED = sorted(HERE.glob("*.yaml"))
ACCEPTED = sorted((HERE / "accepted").glob("*.yaml"))
REFUSED_POLICIES = sorted((HERE / "policies").glob("*.yaml"))
ACCEPTED_POLICIES = sorted((HERE / "policies" / "accepted").glob("*.yaml"))
EVERY_FIELD = HERE / "accepted" / "every-field.yaml"
AB_TEST = HERE / "accepted" / "ab-test.yaml"
_MARK = "# refused: "


def expected(path: Path) -> str:
    """The text that the API server must answer with; it stands in the manifest's first line."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    assert first.startswith(_MARK), f"{path.name} must begin with {_MARK!r} and the server's words"
    return first.removeprefix(_MARK)


def load(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
