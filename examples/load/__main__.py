"""``python -m examples.load``: replay held-out digits through a gateway, and report the true labels later."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from examples.load import report
from examples.load.generator import LoadGenerator
from examples.load.plan import Plan, WrongPlanError

if TYPE_CHECKING:
    from examples.load.tally import Snapshot


@click.command()
@click.option("--url", default="http://127.0.0.1:8080", show_default=True, help="Where the gateway listens.")
@click.option("--host", default="", help="Host header, such as digits.example.com.")
@click.option("--rps", default=20.0, show_default=True, help="Requests started per second.")
@click.option("--duration", default=60.0, show_default=True, help="Seconds in which requests are started.")
@click.option("--feedback-delay", default=2.0, show_default=True, help="Seconds from an answer to its true label.")
@click.option("--no-feedback", is_flag=True, help="Send no labels.")
@click.option("--timeout", default=10.0, show_default=True, help="Seconds after which a request has failed.")
@click.option("--phone-share", default=0.25, show_default=True, help="Share of requests with darker phone pictures.")
@click.option("--seed", default=0, show_default=True, help="Order of the images.")
@click.option("--remote", is_flag=True, help="Allow a URL on another machine.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON lines: each second, each failure, the summary.",
)
def main(output: Path | None, *, no_feedback: bool, feedback_delay: float, **plan: object) -> None:
    """Send requests at a fixed pace, count who answered and how, and print a summary as JSON.

    Exit code 0: every request was answered with 200; 1: some were not, or none was sent; 2: wrong options.
    Ctrl-C ends the run early, with its summary.
    """
    try:
        planned = Plan(feedback_delay=None if no_feedback else feedback_delay, **plan)  # type: ignore[arg-type]
    except WrongPlanError as error:
        raise click.UsageError(str(error)) from None
    with ExitStack() as stack:
        file = stack.enter_context(output.open("w")) if output else None
        final = asyncio.run(_run(LoadGenerator(planned), file))
    sys.exit(0 if final.answered and not final.all_failed else 1)


async def _run(generator: LoadGenerator, file: IO[str] | None) -> Snapshot:
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: TID251 - only printed
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, generator.stop)
    telling = asyncio.create_task(_tell(generator, file))
    try:
        final = await generator.run()
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError):
            await telling
    lines = [report.failure(failed) for failed in final.failures] + [report.summary(final, started_at)]
    if file:
        file.writelines(f"{line}\n" for line in lines)
    if sys.stderr.isatty():
        print(f"\r\x1b[K{report.live_line(final)}", file=sys.stderr)
    print(lines[-1])
    return final


async def _tell(generator: LoadGenerator, file: IO[str] | None) -> None:
    while True:
        await asyncio.sleep(1)
        snapshot = generator.snapshot()
        if file:
            file.write(report.second(snapshot) + "\n")
            file.flush()
        if sys.stderr.isatty():
            print(f"\r\x1b[K{report.live_line(snapshot)}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
