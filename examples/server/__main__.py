"""``python -m examples.server``; the environment is described in docs/how-to/reference-server.md."""

from __future__ import annotations

import os
import sys

# Several servers share one small machine, and numpy reads these once, when it is imported.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")


def main() -> int:
    """Serve until told to stop; returns the exit code (2: the environment is wrong)."""
    import asyncio
    import random
    import time

    from examples.server import logs, process
    from examples.server.app import create_app
    from examples.server.service import DigitsService
    from examples.server.settings import WrongSettingsError, from_environment

    try:
        settings = from_environment()
    except WrongSettingsError as error:
        print(f"the environment cannot be served: {error}", file=sys.stderr)
        return 2
    logs.configure(settings.log_level, pod=settings.pod, revision=settings.revision, version=settings.version)
    wall = time.time  # noqa: TID251 - the edge where the real clock comes in
    service = DigitsService(settings, wall=wall, monotonic=time.monotonic, chance=random.SystemRandom())
    return asyncio.run(process.run(service, create_app(service)))


if __name__ == "__main__":
    sys.exit(main())
