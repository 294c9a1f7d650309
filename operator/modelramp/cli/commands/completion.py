"""`modelramp completion`: scripts with which shells complete verbs, options and the names of models."""

import click
from click.shell_completion import ShellComplete, get_completion_class

_SHELLS = ("bash", "zsh", "fish", "kubectl")
_ANSWER = "answer"
_KUBECTL = f"""#!/bin/sh
# Found on the PATH as kubectl_complete-modelramp: kubectl asks it what comes next.
exec modelramp completion {_ANSWER} -- "$@"
"""
_NO_FILES = ":4"
"""The last line of an answer to kubectl: file names do not fit."""


@click.command(
    "completion",
    context_settings={"ignore_unknown_options": True},
    epilog="""\b
bash:    source <(modelramp completion bash)
zsh:     source <(modelramp completion zsh)
fish:    modelramp completion fish | source
kubectl: modelramp completion kubectl > ~/.local/bin/kubectl_complete-modelramp
         chmod +x ~/.local/bin/kubectl_complete-modelramp""",
)
@click.argument("shell", type=click.Choice([*_SHELLS, _ANSWER]), metavar=f"[{'|'.join(_SHELLS)}]")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="")
@click.pass_context
def command(ctx: click.Context, shell: str, words: tuple[str, ...]) -> None:
    """Print a script that completes verbs, options and model names in a shell.

    The script for kubectl, on the PATH, does the same after `kubectl modelramp` (kubectl 1.26 or later, with its own
    completion set up). Names come from the context and namespace given on the command line so far.
    """
    group = ctx.find_root().command
    if shell == _ANSWER:
        *before, incomplete = words or ("",)
        found = ShellComplete(group, {}, "modelramp", "").get_completions(before, incomplete)
        click.echo("\n".join((*(f"{item.value}\t{item.help or ''}".rstrip() for item in found), _NO_FILES)))
        return
    kind = get_completion_class(shell)
    script = kind(group, {}, "modelramp", "_MODELRAMP_COMPLETE").source() if kind is not None else _KUBECTL
    click.echo(script, nl=not script.endswith("\n"))
