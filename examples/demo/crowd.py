"""Requests as a crowd sends them: independently of each other, so that none keeps step with the gateway."""

from __future__ import annotations

import asyncio
import random

import aiohttp
import httpx
from yarl import URL

LONGEST_PAUSE_SECONDS = 0.1
"""Four requests' worth at 40 a second: enough that their order is a matter of chance."""
CONNECTIONS = 100


class Crowd(httpx.AsyncBaseTransport):
    """The network, with a short pause of random length before each request.

    The load generator asks at a fixed pace and reports labels at the same pace. A gateway deals requests out in turn;
    with two backends of 50 % each, every question would then go to one of them and every label to the other, although
    both weights are exactly as wished.

    The network is aiohttp's: httpx looks at every open connection for every request that waits, so that on a machine
    that was busy for a second it does not catch up any more.

    chance: numbers from 0 to 1. seconds: after which a request has failed.
    """

    def __init__(self, chance: random.Random, seconds: float) -> None:
        self._chance = chance
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Wait a moment, then send, once; failures are those of httpx."""
        await asyncio.sleep(self._chance.random() * LONGEST_PAUSE_SECONDS)
        try:
            async with self._opened().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=await request.aread(),
                allow_redirects=False,
            ) as answer:
                headers = list(answer.headers.items())
                return httpx.Response(answer.status, headers=headers, content=await answer.read(), request=request)
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"no answer within {self._seconds:.0f} s", request=request) from error
        except aiohttp.ClientConnectorError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        except aiohttp.ClientError as error:
            raise httpx.NetworkError(f"{type(error).__name__}: {error}", request=request) from error

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        """The session, made at the first request: it belongs to the loop that runs then."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS),
                timeout=aiohttp.ClientTimeout(total=self._seconds),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session
