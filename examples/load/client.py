"""One request and its answer, or why there is none; nothing is ever repeated, since a repeat would hide a failure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from examples.load.plan import Plan

DETAIL_MAX = 200


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no good answer; the fields are those of ``tally.Failure``."""

    kind: str
    status: int | None
    detail: str


def open_client(plan: Plan, transport: httpx.AsyncBaseTransport | None) -> httpx.AsyncClient:
    """A client that keeps connections open and asks no proxy; ``transport`` stands in for the network in tests."""
    return httpx.AsyncClient(
        base_url=plan.url,
        headers={"host": plan.host} if plan.host else None,
        timeout=plan.timeout,
        limits=httpx.Limits(max_connections=plan.in_flight_max * 2, max_keepalive_connections=plan.in_flight_max),
        transport=transport,
        trust_env=False,
    )


async def post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any] | Refusal:
    """The JSON object that was answered with status 200, or why there is none."""
    try:
        response = await client.post(path, json=body)
    except httpx.TimeoutException as error:
        return Refusal("timeout", None, type(error).__name__)
    except httpx.ConnectError as error:
        return Refusal("connect", None, str(error)[:DETAIL_MAX])
    except httpx.HTTPError as error:
        return Refusal(type(error).__name__, None, str(error)[:DETAIL_MAX])
    if response.status_code != httpx.codes.OK:
        return Refusal("status", response.status_code, response.text[:DETAIL_MAX])
    try:
        answer = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        answer = None
    if not isinstance(answer, dict):
        return Refusal("answer", response.status_code, f"not a JSON object: {response.text[:DETAIL_MAX]}")
    return answer
