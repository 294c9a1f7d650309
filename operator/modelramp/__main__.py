"""`python -m modelramp` runs the operator; its settings are environment variables (docs/reference/settings.md)."""

import asyncio
import sys

from modelramp.api.errors import Refused
from modelramp.operator import main
from modelramp.settings import read_settings

try:
    asyncio.run(main(read_settings()))
except Refused as error:
    sys.exit(f"modelramp: {error}")
