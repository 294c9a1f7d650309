"""Writes the generated pages of docs/: `python docs/generate.py`; with --check it only compares."""  # noqa: INP001 - a script

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from architecture_page import architecture_page
from reasons_page import reasons_page

from modelramp.api.crd import COLUMNS, object_schema
from modelramp.api.policy import PolicyKind
from modelramp.api.policy_crd import policy_schema
from modelramp.cli.cluster import MEANINGS
from modelramp.cli.main import main as modelramp

HERE = Path(__file__).parent
ARGOCD = HERE.parent / "integrations/argocd"
MADE = "<!-- Made by docs/generate.py from the code; a test keeps it current. -->"
RESOURCE_HEAD = f"""# ModelDeployment

{MADE}

`modelramp.io/v1alpha1`, kind `ModelDeployment`, short name `mdep`. What is written here is what
`kubectl explain modeldeployment` says;
[crds/modelramp.io_modeldeployments.yaml](../../crds/modelramp.io_modeldeployments.yaml) is the same for machines.
Fields in **bold** must be written.

Numbers are written plainly (`max: 0.01`; in quotes, as earlier releases wanted decimals, they are deprecated),
durations as hours, minutes and seconds in that order (`90s`, `5m`, `1h30m`). A field that is `null` counts as not
written; an unknown field is refused.
"""
STATUS_HEAD = """## status

Written by the operator only. `kubectl get mdep` shows:
"""
POLICY_HEAD = f"""# HealthPolicy and ClusterHealthPolicy

{MADE}

`modelramp.io/v1alpha1`; short names `hpol` (in a namespace) and `chpol` (in the cluster). Both have the same fields;
those of a check are those of `spec.health.checks` in [ModelDeployment](modeldeployment.md), where their defaults
stand. [Health policies](../concepts/policies.md) says what they are for. Fields in **bold** must be written.
"""
CLI_HEAD = f"""# The command `modelramp`

{MADE}

`kubectl modelramp` is the same command: kubectl finds `kubectl-modelramp` on the path. Colour is used on terminals
only, and never when `NO_COLOR` is set.

The verbs that read (`list`, `get`, `status`, `why`, `history`, `diff`, `doctor`) or ask for something speak with the
cluster of the current context, as kubectl does, by the kubeconfig or by a pod's ServiceAccount. Those that ask write
the annotation `modelramp.io/request` as field manager `modelramp-cli`, wait until the operator has handled it, and
print the sentence of the status. Their exit codes:"""
CLI_TAIL = """
Lost connections and an operator that is silent for a moment are waited for, and said on standard error. Without a
cluster, without rights, or when nobody has taken up the last change of the spec, the commands say so within 2 s.
A command that is interrupted ends with 130.
"""


def resource_page() -> str:
    """docs/reference/modeldeployment.md."""
    schema = object_schema()["properties"]
    lines = [RESOURCE_HEAD, *_sections(schema["spec"], "spec", "#"), STATUS_HEAD]
    lines += ["| column | field | what it says |", "|---|---|---|"]
    lines += [f"| {name.upper()} | `{path[1:]}` | {says} |" for name, _, path, says, _ in COLUMNS]
    lines += ["", *_sections(schema["status"], "status", "##")]
    return "\n".join(lines).rstrip("\n") + "\n"


def policy_page() -> str:
    """docs/reference/healthpolicy.md."""
    spec = policy_schema(PolicyKind.NAMESPACED)["properties"]["spec"]
    return "\n".join([POLICY_HEAD, *_sections(spec, "spec", "#")]).rstrip("\n") + "\n"


def _sections(schema: dict[str, Any], path: str, level: str) -> Iterator[str]:
    yield from (f"{level}# {path}", "", schema["description"], "") if level == "#" else ()
    yield from ("| field | type | default | what it says |", "|---|---|---|---|")
    required = schema.get("required", ())
    for name, field in schema["properties"].items():
        shown = f"**`{name}`**" if name in required else f"`{name}`"
        told = () if "properties" in field else (f"{rule[0].upper()}{rule[1:]}." for rule in _rules(field))
        says = " ".join((field.get("description", ""), *told)).replace("|", "\\|")
        yield f"| {shown} | {_type(field)} | {_default(field)} | {says} |"
    yield from ("", *(f"- {message}." for message in _rules(schema)))
    if _rules(schema):
        yield ""
    for name, field in schema["properties"].items():
        inner = field.get("items", field)
        if "properties" in inner and name != "template":
            nested = f"{path}.{name}" + ("[]" if "items" in field else "")
            yield from (f"### {nested}", "", *_sections(inner, nested, "##"))


def _rules(field: dict[str, Any]) -> list[str]:
    return [rule["message"] for rule in field.get("x-kubernetes-validations", ())]


def _type(field: dict[str, Any]) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "number or text"
    if field.get("x-kubernetes-preserve-unknown-fields"):
        return f"number{_range(field)}" if "pattern" in field else "number or text"
    if "enum" in field:
        return ", ".join(f"`{item}`" for item in field["enum"])
    bounds = ""
    if "minimum" in field:
        bounds = f", {field['minimum']} to {field['maximum']}" if "maximum" in field else f", from {field['minimum']}"
    elif "maxItems" in field or "maxLength" in field:
        bounds = f", at most {field.get('maxItems', field.get('maxLength'))}"
    words = {"string": "text", "integer": "whole number", "array": "list", "boolean": "true or false"}
    return f"{words.get(field['type'], field['type'])}{bounds}"


def _range(field: dict[str, Any]) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    above = "" if low is None else f" {'above' if field.get('exclusiveMinimum') else 'from'} {low}"
    below = "" if high is None else f" {'below' if field.get('exclusiveMaximum') else 'to'} {high}"
    return f",{above}{' and' if above and below else ''}{below}" if above or below else ""


def _default(field: dict[str, Any]) -> str:
    if "default" not in field or isinstance(field["default"], dict):
        return ""
    default = field["default"]
    return ", ".join(str(item["weight"]) for item in default) if isinstance(default, list) else f"`{default}`"


def cli_page() -> str:
    """docs/reference/cli.md."""
    lines = [CLI_HEAD, "", "| code | meaning |", "|---|---|"]
    lines += [*(f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items()), CLI_TAIL]
    with click.Context(modelramp, info_name="modelramp", terminal_width=100) as context:
        for verb in modelramp.list_commands(context):
            command = modelramp.get_command(context, verb)
            assert command is not None  # noqa: S101 - it was listed
            with click.Context(command, info_name=verb, parent=context, terminal_width=100) as inner:
                lines += [f"## modelramp {verb}", "", "```text", command.get_help(inner).rstrip(), "```", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def argocd_config_map() -> str:
    """integrations/argocd/argocd-cm.yaml: Argo CD's customizations of the kind, with the scripts beside it in it."""
    kind = "modelramp.io_ModelDeployment"
    lines = [
        "# Made by docs/generate.py from the scripts beside it; docs/how-to/gitops.md says how to add it.",
        *("apiVersion: v1", "kind: ConfigMap", "metadata: {name: argocd-cm, namespace: argocd}", "data:"),
        f"  resource.customizations.health.{kind}: |",
        *_script("health.lua", 4),
        f"  resource.customizations.actions.{kind}: |",
        *("    discovery.lua: |", *_script("actions/discovery.lua", 6), "    definitions:"),
    ]
    for folder in sorted((ARGOCD / "actions").glob("*/")):
        lines += [f"    - name: {folder.name}", "      action.lua: |"]
        lines += _script(f"actions/{folder.name}/action.lua", 8)
    # What an autoscaler has written; without one nobody but Git owns the field, and it is compared.
    lines += [f"  resource.customizations.ignoreDifferences.{kind}: |"]
    lines += ["    managedFieldsManagers: [kube-controller-manager]"]
    return "\n".join(lines) + "\n"


def _script(name: str, indent: int) -> list[str]:
    text = (ARGOCD / name).read_text(encoding="utf-8")
    return [f"{' ' * indent}{line}" if line else "" for line in text.splitlines()]


def main() -> int:
    """Write the pages, or with --check say which are out of date; the exit code."""
    os.environ["NO_COLOR"] = "1"
    pages = {
        "reference/modeldeployment.md": resource_page(),
        "reference/healthpolicy.md": policy_page(),
        "reference/cli.md": cli_page(),
        "reference/reasons.md": reasons_page(MADE),
        "architecture.md": architecture_page(MADE),
        "../integrations/argocd/argocd-cm.yaml": argocd_config_map(),
    }
    stale = [
        name
        for name, text in pages.items()
        if not (HERE / name).exists() or (HERE / name).read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv[1:]:
        print("\n".join(f"docs/{name} is out of date: run python docs/generate.py" for name in stale), end="")  # noqa: T201
        return 1 if stale else 0
    for name in stale:
        (HERE / name).write_text(pages[name], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
