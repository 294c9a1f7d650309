"""The network for many requests at once."""

from __future__ import annotations

import aiohttp
import httpx
from yarl import URL

CONNECTIONS = 100


class Crowd(httpx.AsyncBaseTransport):
    """aiohttp's network: httpx looks at every open connection for every request that waits, so that on a machine that
    was busy for a second it does not catch up any more.

    seconds: after which a request has failed.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send, once; failures are those of httpx."""
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
