"""Hosts and paths on Gateways: who claims them, which claims meet, and which of two equal ones stands.

A claim that a route carries stands, whoever's object is older. Of two that no route carries yet, the one that was asked
for first stands. A narrower host or a deeper path is no conflict: a Gateway sends it the more specific requests.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import IntEnum

TRAEFIK = ""
"""The namespace of Traefik's entry points as parents; no object of Kubernetes has it."""
CATCH_ALL = "*"
"""The host of a route without hostnames: all that a listener takes and no other route names."""
_ESCAPE = re.compile("%([0-9a-fA-F]{2})")
_PLAIN = re.compile("[-A-Za-z0-9._~!$&'()*+,;=:@]")
_NAMED, _WORDS = 3, 1000
_UNTIL_THEN = (
    "change spec.routing.gateway. Until then a route that exists keeps its hostnames, and one that does not is not made"
)


@dataclass(frozen=True, slots=True)
class Parent:
    """What a route attaches to: a Gateway, or one listener (section) or one port of it.

    All entry points of Traefik are one parent, in the namespace TRAEFIK, with each as a section.
    """

    namespace: str
    name: str
    section: str | None = None
    port: int | None = None

    def meets(self, other: "Parent") -> bool:
        """Whether some listener may serve both. A section and a port may be of one listener.

        Any Gateway may be one of Traefik's, and so may meet its entry points.
        """
        if (self.namespace == TRAEFIK) != (other.namespace == TRAEFIK):
            return True
        return (self.namespace, self.name) == (other.namespace, other.name) and not (
            _differ(self.section, other.section) or _differ(self.port, other.port)
        )

    def covers(self, other: "Parent") -> bool:
        """Whether all listeners of the other are among those of this one."""
        same = (self.namespace, self.name) == (other.namespace, other.name)
        return same and self.section in {None, other.section} and self.port in {None, other.port}


@dataclass(frozen=True, slots=True)
class Path:
    """A path prefix, as `path_of` writes it. plain: all requests under it; else some of them (a header, a pattern)."""

    prefix: str = "/"
    plain: bool = True


@dataclass(frozen=True, slots=True)
class Scope:
    """The requests that one route takes: each host with each path on each parent."""

    parents: tuple[Parent, ...]
    hosts: tuple[str, ...]
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True, order=True)
class Claimant:
    """The object that claims: a ModelDeployment, or a route that belongs to nobody here."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Standing(IntEnum):
    """How well a claim stands; the lower stands better."""

    ROUTED = 0
    """A route carries it."""
    KEPT = 1
    """A route carried it until somebody deleted that route; the operator makes it again."""
    ASKED = 2
    """The spec asks for it; no route carries it yet."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One object's claim. since: when it was asked for, as the API server writes times; empty sorts last."""

    claimant: Claimant
    scope: Scope
    standing: Standing
    since: str = ""

    @property
    def precedence(self) -> tuple[Standing, bool, str, Claimant]:
        """Sorts claims: the first of several equal ones stands. The names decide between equal times."""
        return self.standing, not self.since, self.since, self.claimant


def path_of(value: str) -> str:
    """A path prefix in the one form in which prefixes are compared.

    Gateways ignore a slash at the end, and %61 is an a; what is no plain character stays escaped.
    >>> path_of("/v1/"), path_of("/%761"), path_of("/%1b"), path_of("/")
    ('/v1', '/v1', '/%1B', '/')
    """
    return "/" + "/".join(part for part in _ESCAPE.sub(_unescaped, value).split("/") if part)


def _unescaped(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if _PLAIN.fullmatch(character) else found[0].upper()


def together(one: Claim, *others: Claim) -> Claim:
    """The claim of one object whose routes are several: all hosts and paths of all of them, as old as the oldest."""
    claims = (one, *others)
    scope = Scope(
        tuple(dict.fromkeys(parent for claim in claims for parent in claim.scope.parents)),
        tuple(dict.fromkeys(host for claim in claims for host in claim.scope.hosts)),
        tuple(dict.fromkeys(path for claim in claims for path in claim.scope.paths)),
    )
    return replace(one, scope=scope, since=min(claim.since for claim in claims))


def equal(one: Scope, other: Scope) -> bool:
    """Whether both take all requests for the same host and path on the same listener."""
    if set(one.hosts).isdisjoint(other.hosts):
        return False
    paths = {path.prefix for path in one.paths if path.plain}
    return any(path.plain and path.prefix in paths for path in other.paths) and _meet(one, other)


def overtakes(one: Scope, other: Scope) -> bool:
    """Whether a wildcard of `one` may take all requests for a narrower host of `other`, against the Gateway API.

    Some gateways go by the longest hostname of the whole route, as Traefik 3.7 does: a long one beside a wildcard lifts
    the wildcard above a host that another route names.
    """
    if max(map(len, one.hosts)) < max(map(len, other.hosts)) or not _meet(one, other):
        return False
    paths = {path for path in one.paths if path.plain}
    wide = [host for host in one.hosts if host != CATCH_ALL]
    return any(path in paths for path in other.paths) and any(
        narrower(theirs, mine) for theirs in other.hosts for mine in wide
    )


def takes(one: Scope, other: Scope) -> str:
    """What `one` takes out of the traffic of `other`, and out of what: a narrower host or a deeper path; else empty.

    A narrower host than a catch-all takes nothing: a catch-all reserves nothing. A wider host with a deeper path takes
    nothing by the Gateway API, where the host goes before the path; some gateways have it the other way round.
    """
    if not _meet(one, other):
        return ""
    for mine in one.hosts:
        for theirs in other.hosts:
            if theirs != CATCH_ALL and narrower(mine, theirs):
                return f"takes {mine} out of {theirs}"
            if mine == theirs or narrower(theirs, mine):
                may = "takes" if mine == theirs else "may take"
                for path, under in ((path, under) for path in other.paths for under in one.paths):
                    if _deeper(under, path):
                        return f"{may} {theirs}{under.prefix} out of {theirs}{path.prefix}"
    return ""


def narrower(host: str, wildcard: str) -> bool:
    """Whether a host, or all hosts of a wildcard, are some of the hosts of another wildcard.

    >>> narrower("eu.shop.example", "*.shop.example"), narrower("*.eu.shop.example", "*.shop.example")
    (True, True)
    >>> narrower("shop.example", "*.shop.example"), narrower("eshop.example", "*.shop.example")
    (False, False)
    """
    if host in {wildcard, CATCH_ALL}:
        return False
    return wildcard == CATCH_ALL or (wildcard.startswith("*.") and host.endswith(wildcard[1:]))


def below(path: str, prefix: str) -> bool:
    """Whether a path is strictly under a prefix, by whole segments."""
    return path != prefix and (prefix == "/" or path.startswith(f"{prefix}/"))


def fresh(wanted: Scope, held: Scope | None) -> tuple[Scope, ...]:
    """What of a wanted scope the held one does not already take; empty when it has it all."""
    if held is None or not set(wanted.paths) <= set(held.paths):
        return (wanted,)
    hosts = tuple(host for host in wanted.hosts if host not in held.hosts)
    parents = tuple(parent for parent in wanted.parents if not any(mine.covers(parent) for mine in held.parents))
    parts = (replace(wanted, hosts=hosts), replace(wanted, parents=parents))
    return tuple(part for part in parts if part.hosts and part.parents)


def turned_down(asked: Claim, held: Scope | None, rivals: Iterable[Claim]) -> Claim | None:
    """The claim of another object that keeps this one from what it asks for; None when nothing does.

    held: what the asking object's own route takes now. That is never put in question: only what is new can be refused.
    """
    parts = fresh(asked.scope, held)
    if not parts:
        return None
    before = (
        rival
        for rival in rivals
        if rival.claimant != asked.claimant
        and rival.precedence < asked.precedence
        and (any(equal(part, rival.scope) for part in parts) or _newly_overtaken(asked, held, rival))
    )
    return min(before, key=lambda rival: rival.precedence, default=None)


def _newly_overtaken(asked: Claim, held: Scope | None, rival: Claim) -> bool:
    if rival.standing is Standing.ASKED or not overtakes(asked.scope, rival.scope):
        return False
    return held is None or not overtakes(held, rival.scope)


def taken_by(rival: Claim, asked: Claim) -> str:
    """What the object that is turned down says, until it asks for something else or the rival is gone."""
    had = "asked for" if rival.standing is Standing.ASKED else "has had"
    what = "the same hostname and path"
    if rival.standing is not Standing.ASKED and overtakes(asked.scope, rival.scope):
        longest = max(asked.scope.hosts, key=len)
        what = f"a hostname under a wildcard of this one, which would win on some gateways beside {longest},"
    return f"{rival.claimant} {had} {what} on the same Gateway first; {_UNTIL_THEN}"


def bound_to_others(host: str) -> str:
    """What an object says that asks for a host which is bound to other namespaces."""
    named = "all hosts" if host == CATCH_ALL else host
    return f"the operator's setting MODELRAMP_HOST_BINDINGS binds {named} to other namespaces; {_UNTIL_THEN}"


def shared_with(own: Claim, others: Iterable[Claim]) -> str:
    """Who takes traffic out of a route's hosts, and out of whose hosts it takes some; empty when nobody is concerned.

    Names at most three.
    """
    found = []
    for other in sorted(others, key=lambda claim: claim.claimant):
        if equal(own.scope, other.scope):
            found.append(
                f"{other.claimant} has the same hostname and path: the older of the two routes gets the traffic"
            )
        elif taken := takes(other.scope, own.scope):
            found.append(f"{other.claimant} {taken}")
        elif taken := takes(own.scope, other.scope):
            found.append(f"it {taken} of {other.claimant}")
        if len(found) > _NAMED:
            found[_NAMED:] = ["and more"]
            break
    return "; ".join(found)[:_WORDS]


def wildcards(host: str) -> Iterator[str]:
    """The wildcards that a host is narrower than, without the catch-all.

    >>> list(wildcards("eu.shop.example"))
    ['*.shop.example', '*.example']
    """
    labels = host.removeprefix("*.").split(".")
    for first in range(0 if host.startswith("*.") else 1, len(labels)):
        wildcard = "*." + ".".join(labels[first:])
        if wildcard != host:
            yield wildcard


def prefixes(path: str) -> Iterator[str]:
    """The prefixes that a path is under, itself not among them.

    >>> list(prefixes("/v1/models"))
    ['/', '/v1']
    """
    if path != "/":
        yield "/"
    parts = path[1:].split("/")
    for length in range(1, len(parts)):
        yield "/" + "/".join(parts[:length])


def _differ(one: object, other: object) -> bool:
    return one is not None and other is not None and one != other


def _meet(one: Scope, other: Scope) -> bool:
    return any(mine.meets(theirs) for mine in one.parents for theirs in other.parents)


def _deeper(path: Path, other: Path) -> bool:
    return below(path.prefix, other.prefix) or (path.prefix == other.prefix and other.plain and not path.plain)
