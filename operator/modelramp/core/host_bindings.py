"""Which namespaces may have which hosts: the operator's setting, for clusters whose Gateways are shared by teams."""

import re
from dataclasses import dataclass

from modelramp.core.hostnames import CATCH_ALL, narrower

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUFFIX = re.compile(rf"\*|(\*\.)?{_LABEL}(\.{_LABEL})*")
_NAMESPACE = re.compile(_LABEL)
_EXAMPLE = "as in pay.example.com=payments;*.shop.example.com=shop,shop-staging"


@dataclass(frozen=True, slots=True)
class Binding:
    """Binds hosts to namespaces: no ModelDeployment of another namespace may have one.

    suffix: pay.example.com binds itself and all under it, *.shop.example.com all under shop.example.com, * all hosts
    and routes without hostnames. Of several that bind a host the longest counts.
    """

    suffix: str
    namespaces: frozenset[str]

    def binds(self, host: str) -> bool:
        """Whether a host, or all hosts of a wildcard, are bound by this one."""
        if self.suffix in {CATCH_ALL, host}:
            return True
        below = self.suffix if self.suffix.startswith("*.") else f"*.{self.suffix}"
        return host == below or narrower(host, below)

    def reaches_into(self, wildcard: str) -> bool:
        """Whether it binds some of the hosts of a wildcard, but not all."""
        return narrower(self.suffix, wildcard)


Bindings = tuple[Binding, ...]


def read_bindings(text: str) -> Bindings:
    """The bindings of a setting such as `pay.example.com=payments;*.shop.example.com=shop,shop-staging`.

    A suffix that stands there twice has the namespaces of both. Raises ValueError with what is wrong.
    """
    found: dict[str, frozenset[str]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        suffix, _, listed = part.partition("=")
        suffix, names = suffix.strip(), frozenset(name.strip() for name in listed.split(","))
        if not _SUFFIX.fullmatch(suffix):
            raise ValueError(f"{suffix!r} must be a host name in small letters, *. and a domain, or *; {_EXAMPLE}")
        if not all(_NAMESPACE.fullmatch(name) for name in names):
            raise ValueError(f"{suffix} must be bound to namespaces, separated by commas; {_EXAMPLE}")
        found[suffix] = found.get(suffix, frozenset()) | names
    return tuple(Binding(suffix, names) for suffix, names in found.items())


def bound_elsewhere(host: str, namespace: str, bindings: Bindings) -> bool:
    """Whether a host is bound to namespaces of which this is none.

    A wildcard is also bound elsewhere when some of its hosts are, unless a binding names that very wildcard; a route
    without hostnames likewise: with a deeper path it takes traffic from hosts on some gateways.
    """
    binding = max((each for each in bindings if each.binds(host)), key=lambda each: len(each.suffix), default=None)
    if binding is not None and (namespace not in binding.namespaces or binding.suffix == host):
        return namespace not in binding.namespaces
    return any(each.reaches_into(host) and namespace not in each.namespaces for each in bindings)
