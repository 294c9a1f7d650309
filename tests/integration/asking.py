"""The operator's client for Prometheus, as tests that ask a real server need it."""

from modelramp.adapters.addresses import Addresses, AddressList
from modelramp.adapters.clock import SystemClock
from modelramp.adapters.prometheus import PrometheusMetrics

_ADMITTED = Addresses(AddressList.of(["127.0.0.0/8", "10.244.0.0/16"]))


async def _no_secret(_namespace, _name):
    raise AssertionError


def metrics_of(telemetry, timeout=10):
    """A client that asks this machine and the plane, and reads no Secret."""
    return PrometheusMetrics(telemetry, SystemClock(), _no_secret, _ADMITTED, timeout=timeout)
