"""Run the process node until SIGTERM: `python -m localplane.node`, started by the supervisor."""

import asyncio
import signal
import sys
from pathlib import Path

import click

from localplane.node import kubelet
from localplane.node.agent import Agent
from localplane.node.api import Api
from localplane.node.context import Services
from localplane.node.events import Events
from localplane.node.images import BUILT_IN, REPOSITORY


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Where pods' files and logs go.")
@click.option("--token-file", type=click.Path(path_type=Path), required=True)
@click.option("--authority", type=click.Path(path_type=Path), required=True, help="CA of the API server.")
@click.option("--certificate", type=click.Path(path_type=Path), required=True)
@click.option("--key", type=click.Path(path_type=Path), required=True)
@click.option("--images", type=click.Path(path_type=Path), multiple=True, help="Catalogues that win over ours.")
def main(
    folder: Path, token_file: Path, authority: Path, certificate: Path, key: Path, images: tuple[Path, ...]
) -> None:
    """Run containers as processes for the API server of this plane."""
    asyncio.run(_run(folder, token_file.read_text(), authority, (certificate, key), (*images, BUILT_IN)))


async def _run(
    folder: Path, token: str, authority: Path, serving: tuple[Path, Path], catalogues: tuple[Path, ...]
) -> None:
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ending.set)
    keep = tuple(sorted({str(REPOSITORY), sys.prefix, sys.base_prefix}))
    async with Api(token, authority) as api:
        agent = Agent(Services(api, Events(api), folder, catalogues, keep))
        server = await kubelet.serve(agent.find, *serving)
        work = asyncio.create_task(agent.run())
        waiting = asyncio.create_task(ending.wait())
        await asyncio.wait([work, waiting], return_when=asyncio.FIRST_COMPLETED)
        await agent.stop()
        work.cancel()
        await server.cleanup()
        if not ending.is_set():
            # The supervisor starts a node that failed again; this raises what went wrong into its log.
            await work


if __name__ == "__main__":
    main()
