"""The command `modelramp` (and the kubectl plugin `kubectl modelramp`): finds a verb's module when the verb is called.

Help and completion import no verb: they are felt at every TAB.
"""

import importlib
from importlib.util import find_spec

import click

from modelramp import __version__

COMMANDS = "modelramp.cli.commands"
VERBS = {
    "lint": (
        "lint",
        "Say what the API server would refuse in manifests, and what it cannot know.",
    ),
    "simulate": (
        "simulate",
        "Run the decisions over given outcomes of checks, without a cluster.",
    ),
    "presets": ("presets", "List the queries that modelramp brings."),
    "evaluate": ("evaluate", "Judge numbers given by hand by one check."),
    "backtest": ("backtest", "Run the decisions over what Prometheus has recorded."),
    "suggest": ("suggest", "Propose limits from what Prometheus has recorded."),
}
"""Verb -> the module in COMMANDS whose `command` it is, and one line for --help. A verb is there when its module is."""


class Verbs(click.Group):
    """A group whose commands are imported only when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Verbs whose module exists."""
        del ctx
        return [verb for verb, (module, _) in VERBS.items() if find_spec(f"{COMMANDS}.{module}") is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, imported now."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = importlib.import_module(f"{COMMANDS}.{VERBS[cmd_name][0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs with their lines, without importing one."""
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, VERBS[verb][1]) for verb in self.list_commands(ctx)])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="modelramp")
def main() -> None:
    """Roll out model versions step by step, and bring the last working one back by itself."""


if __name__ == "__main__":
    main()
