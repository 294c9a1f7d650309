"""What people read of a webhook's address holds no token, and nothing that moves their cursor."""

import pytest

from modelramp.engine.hooks import place


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://pipelines.example.com/hooks/retrain", "https://pipelines.example.com"),
        ("https://pipelines.example.com:8443/T0001/B0002/XXXX", "https://pipelines.example.com:8443"),
        ("http://10.0.0.1?token=abc", "http://10.0.0.1"),
        ("http://a/?token=abc&x", "http://a"),
        ("https://user:abc@host/", "https://host"),
        ("https://a\\abc", "https://a"),
        ("https://a#abc", "https://a"),
        ("https://[::1]:80/abc", "https://[::1]:80"),
        ("https://\x1b[31ma\u202eb/abc", "https://\\x1b[31ma\\u202eb"),
        ("", "://"),
    ],
)
def test_scheme_host_and_port_are_shown_and_nothing_else(url, shown):
    assert place(url) == shown
