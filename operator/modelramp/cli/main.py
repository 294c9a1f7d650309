"""The command `modelramp` (and the kubectl plugin `kubectl modelramp`): finds a verb's module when the verb is called.

Help and completion import no verb: they are felt at every TAB.
"""

import importlib
from importlib.util import find_spec
from typing import Any

import click
from click.shell_completion import CompletionItem

from modelramp import __version__

COMMANDS = "modelramp.cli.commands"
_INTERRUPTED = 130
VERBS = {
    "lint": "Find what the API server would refuse in manifests, and problems that it cannot see.",
    "plan": "Show what applying manifests would do, as Markdown for a pull request.",
    "simulate": "Run a policy on given check results, without a cluster.",
    "presets": "List the built-in queries.",
    "evaluate": "Run one check on given numbers and explain its verdict.",
    "backtest": "Replay a policy over recorded history in Prometheus.",
    "suggest": "Propose limits from recorded history in Prometheus.",
    "adopt": "Generate a ModelDeployment that takes over an existing Deployment.",
    "release": "Hand an adopted Deployment back and delete the ModelDeployment.",
    "list": "List models, those in trouble first.",
    "status": "Show where a rollout stands, with an exit code for scripts.",
    "get": "Show one model: versions, traffic, checks, and what happens next.",
    "why": "Explain what each check found, what holds a rollout, and what has to happen next.",
    "history": "List the last rollouts, or show what served at a given time.",
    "diff": "Compare the model and pod template of two revisions.",
    "promote": "Advance a rollout by one step.",
    "pause": "Hold a rollout at its current weight.",
    "resume": "Resume a paused rollout.",
    "abort": "Take all traffic from the version that is being rolled out.",
    "retry": "Roll out a failed version again.",
    "rollback": "Go back to a version that served before.",
    "freeze": "Stop every rollout in a namespace from getting more traffic.",
    "unfreeze": "Lift the freeze of a namespace.",
    "doctor": "Find what blocks rollouts, and say how to fix it.",
    "completion": "Print a shell completion script.",
}
"""Verb -> one line for --help. The verb is the `command` of the module of its name, and is listed when that exists."""


class Verbs(click.Group):
    """A group whose commands are imported only when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs whose module exists."""
        del ctx
        return [verb for verb in VERBS if find_spec(f"{COMMANDS}.{verb}") is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, imported now."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"{COMMANDS}.{cmd_name}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs, and the group's own options, without importing one."""
        verbs = [verb for verb in self.list_commands(ctx) if verb.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(CompletionItem(verb, help=VERBS[verb]) for verb in verbs), *options]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; one that is interrupted ends as shells expect it, not as one that has failed."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(_INTERRUPTED) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs with their lines, without importing one."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, VERBS[verb]) for verb in self.list_commands(ctx)])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes that all verbs that ask a cluster share."""
        from modelramp.cli.cluster import MEANINGS

        del ctx
        with formatter.section("Exit codes of verbs that ask a cluster"):
            formatter.write_dl([(str(code.value), meaning) for code, meaning in MEANINGS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="modelramp")
def main() -> None:
    """Roll out model versions step by step, and roll back automatically to the last one that worked."""


if __name__ == "__main__":
    main()
