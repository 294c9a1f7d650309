"""The operator's setting says which namespaces may have which hosts."""

import pytest

from modelramp.core.host_bindings import bound_elsewhere, read_bindings

SETTING = "pay.example.com=payments; *.shop.example.com=shop,shop-staging;*.eu.shop.example.com = shop-eu"
DEFAULT = f"{SETTING};*=platform"

# setting, host, the namespaces out of these four that may have it
HOSTS = {
    "the host itself": (SETTING, "pay.example.com", {"payments"}),
    "what is under it": (SETTING, "eu.pay.example.com", {"payments"}),
    "all that is under it": (SETTING, "*.pay.example.com", {"payments"}),
    "what only ends alike": (SETTING, "repay.example.com", {"payments", "shop", "shop-eu", "platform"}),
    "a host under a wildcard": (SETTING, "a.shop.example.com", {"shop"}),
    "two labels under a wildcard": (SETTING, "b.a.shop.example.com", {"shop"}),
    "the wildcard itself": (SETTING, "*.shop.example.com", {"shop"}),
    "the longest suffix counts": (SETTING, "a.eu.shop.example.com", {"shop-eu"}),
    "a host beside the longest suffix": (SETTING, "eu.shop.example.com", {"shop"}),
    "the domain of a wildcard": (SETTING, "shop.example.com", {"payments", "shop", "shop-eu", "platform"}),
    "a wildcard that reaches into bindings of several": (SETTING, "*.example.com", set()),
    "a wildcard that is bound as such": (f"{SETTING};*.example.com=platform", "*.example.com", {"platform"}),
    "a wildcard of who has everything else": (DEFAULT, "*.example.com", set()),
    "a route without hostnames reaches into all": (SETTING, "*", set()),
    "a route without hostnames where all is bound": (DEFAULT, "*", {"platform"}),
    "anything else where all is bound": (DEFAULT, "other.org", {"platform"}),
    "what is bound closer where all is bound": (DEFAULT, "pay.example.com", {"payments"}),
    "nothing is bound": ("", "pay.example.com", {"payments", "shop", "shop-eu", "platform"}),
    "twice the same suffix": ("a.example=shop;a.example=platform", "a.example", {"shop", "platform"}),
}


@pytest.mark.parametrize(("setting", "host", "wished"), HOSTS.values(), ids=HOSTS)
def test_who_may_have_a_host(setting, host, wished):
    bindings = read_bindings(setting)
    may = {name for name in ("payments", "shop", "shop-eu", "platform") if not bound_elsewhere(host, name, bindings)}
    assert may == wished


@pytest.mark.parametrize(
    "wrong",
    ["pay.example.com", "pay.example.com=", "=payments", "Pay.example.com=payments", "a.example=b,,c", "a.example=b c",
     "a.*.example=b", "https://a.example=b", "a.example=b=c", "*.=b", "a.example:443=b"],
)  # fmt: skip
def test_a_wrong_setting_says_what_is_wrong(wrong):
    with pytest.raises(ValueError, match="must be"):
        read_bindings(wrong)
