"""Episodes of hooks as they stand in the status, and back."""

from collections.abc import Iterable

from modelramp.api.hooks import On
from modelramp.api.status import HookStatus
from modelramp.api.text import visible
from modelramp.api.times import to_seconds, to_text
from modelramp.core.hook_runs import HookRun


def hook_statuses(episodes: Iterable[HookRun]) -> tuple[HookStatus, ...]:
    """The episodes as status.hooks."""
    return tuple(
        HookStatus(
            id=episode.id,
            on=episode.on.value,
            name=episode.name,
            revision=episode.revision,
            model_version=episode.model_version,
            since=to_text(episode.since),
            until=to_text(episode.until) if episode.until else None,
            breaches=episode.breaches,
            checks=episode.checks,
            cause=episode.cause,
            state=episode.state,
            at=to_text(episode.at) if episode.at else None,
            message=visible(episode.message),
            by=episode.by,
            due=to_text(episode.due) if episode.due else None,
        )
        for episode in episodes
    )


def episodes_of(statuses: Iterable[HookStatus]) -> tuple[HookRun, ...]:
    """status.hooks as episodes."""
    return tuple(
        HookRun(
            on=On(status.on),
            name=status.name,
            revision=status.revision,
            model_version=status.model_version,
            since=to_seconds(status.since),
            id=status.id,
            until=to_seconds(status.until) if status.until else 0,
            breaches=status.breaches,
            checks=status.checks,
            cause=status.cause,
            state=status.state,
            message=status.message,
            at=to_seconds(status.at) if status.at else 0,
            by=status.by,
            due=to_seconds(status.due) if status.due else 0,
        )
        for status in statuses
    )
