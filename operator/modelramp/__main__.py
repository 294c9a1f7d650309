"""`python -m modelramp` runs the operator; its settings are environment variables (docs/reference/settings.md)."""

import asyncio

from modelramp.operator import main
from modelramp.settings import Settings

asyncio.run(main(Settings()))
