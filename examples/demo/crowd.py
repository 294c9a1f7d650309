"""Requests as a crowd sends them: independently of each other, so that none keeps step with the gateway."""

from __future__ import annotations

import asyncio
import random

import httpx

LONGEST_PAUSE_SECONDS = 0.1
"""Four requests' worth at 40 a second: enough that their order is a matter of chance."""
CONNECTIONS = 32
"""Enough for a thousand requests a second at 30 ms each; httpx looks at every open one for each request."""


class Crowd(httpx.AsyncBaseTransport):
    """The network, with a short pause of random length before each request.

    The load generator asks at a fixed pace and reports labels at the same pace. A gateway deals requests out in turn;
    with two backends of 50 % each, every question would then go to one of them and every label to the other, although
    both weights are exactly as wished.

    chance: numbers from 0 to 1.
    """

    def __init__(self, chance: random.Random) -> None:
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        self._network = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
        self._chance = chance

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Wait a moment, then send."""
        await asyncio.sleep(self._chance.random() * LONGEST_PAUSE_SECONDS)
        return await self._network.handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._network.aclose()
