from pathlib import Path

import pytest

import modelramp
from modelramp.api.errors import InvalidSpec
from modelramp.settings import Settings, read_settings, reference

DOCUMENT = Path(modelramp.__file__).parents[2] / "docs" / "reference" / "settings.md"


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MODELRAMP_{name.upper()}", raising=False)


def test_nothing_needs_to_be_set():
    settings = read_settings()
    assert settings.namespaces == ()
    assert settings.scrape_delay == 5
    assert settings.prometheus_secret_ref is None


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("MODELRAMP_NAMESPACES", "ml, fraud,")
    monkeypatch.setenv("MODELRAMP_LOG_LEVEL", "debug")
    monkeypatch.setenv("MODELRAMP_PROMETHEUS_SECRET", "ops/prom")
    monkeypatch.setenv("MODELRAMP_ALLOW_PLAIN_CREDENTIALS", "true")
    monkeypatch.setenv("MODELRAMP_ALLOWED_ADDRESSES", "*.example.com, 10.0.0.0/8")
    monkeypatch.setenv("MODELRAMP_WEB_PORT", "")
    settings = read_settings()
    assert settings.namespaces == ("ml", "fraud")
    assert settings.log_level == "DEBUG"
    assert settings.allowed_addresses == ("*.example.com", "10.0.0.0/8")
    assert settings.prometheus_secret_ref == ("ops", "prom")
    assert settings.web_port == 8080


WRONG = {
    "MODELRAMP_WEB_PORT": ("tcp://10.96.0.7:80", "valid integer"),
    "MODELRAMP_KUBE_TIMEOUT": ("0", "greater than 0"),
    "MODELRAMP_LOG_LEVEL": ("chatty", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    "MODELRAMP_PROMETHEUS_SECRET": ("prom", "match pattern"),
    "MODELRAMP_PROMETHEUS_ADDRESS": ("prometheus:9090", "must be a base URL such as http://"),
    "MODELRAMP_ALLOWED_ADDRESSES": ("http://prometheus", "a suffix such as *.example.com"),
    "MODELRAMP_DENIED_ADDRESSES": ("metrics.example.com", "must be IP addresses and CIDR ranges"),
    "MODELRAMP_SCRAPE_DELAY": ("nan", "less than or equal to 60"),
}


@pytest.mark.parametrize(("name", "value", "words"), [(n, *v) for n, v in WRONG.items()], ids=WRONG)
def test_a_wrong_value_is_named_with_what_was_wished(name, value, words, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSpec) as caught:
        read_settings()
    assert str(caught.value).startswith(f"{name}: ")
    assert words in str(caught.value)


def test_a_password_in_the_address_is_not_repeated(monkeypatch):
    monkeypatch.setenv("MODELRAMP_PROMETHEUS_ADDRESS", "http://ann:hush@prometheus:9090")
    with pytest.raises(InvalidSpec) as caught:
        read_settings()
    assert "hush" not in f"{caught.value} {caught.value!r} {caught.value.__cause__}"


def test_a_secret_for_an_address_without_tls_must_be_allowed(monkeypatch):
    monkeypatch.setenv("MODELRAMP_PROMETHEUS_SECRET", "ops/prom")
    with pytest.raises(InvalidSpec, match=r"MODELRAMP_PROMETHEUS_SECRET: .*MODELRAMP_ALLOW_PLAIN_CREDENTIALS=true"):
        read_settings()
    monkeypatch.setenv("MODELRAMP_PROMETHEUS_ADDRESS", "https://prometheus.monitoring:9090")
    assert read_settings().prometheus_secret_ref == ("ops", "prom")


def test_every_setting_is_described_and_the_document_is_current():
    assert all(field.description for field in Settings.model_fields.values())
    assert DOCUMENT.read_text() == reference() + "\n", "run: python -m modelramp.settings > docs/reference/settings.md"


def test_headers_and_files_of_the_operators_own_prometheus(monkeypatch):
    monkeypatch.setenv("MODELRAMP_PROMETHEUS_ADDRESS", "https://mimir/prometheus")
    monkeypatch.setenv("MODELRAMP_PROMETHEUS_HEADERS", "X-Scope-OrgID=a|b ; X-Other=c=d;")
    monkeypatch.setenv("MODELRAMP_PROMETHEUS_TOKEN_FILE", "/var/run/token")
    settings = read_settings()
    assert settings.prometheus_endpoint.headers == (("X-Scope-OrgID", "a|b"), ("X-Other", "c=d"))
    assert settings.prometheus_files.token == "/var/run/token"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("X-Key=hush;X-Key2=hu\nsh", "header 2, as in X-Scope-OrgID=platform: must be printable ASCII"),
        ("X-Key", "must be printable ASCII"),
        ("Host=hush", "headers of the connection itself cannot be set"),
        ("Authorization=hush", "credentials belong into a Secret"),
        ("X-Key=hush;x-key=hush", "a header stands here twice"),
    ],
)
def test_a_wrong_header_is_refused_without_its_value(value, words, monkeypatch):
    monkeypatch.setenv("MODELRAMP_PROMETHEUS_HEADERS", value)
    with pytest.raises(InvalidSpec) as caught:
        read_settings()
    assert str(caught.value).startswith("MODELRAMP_PROMETHEUS_HEADERS: ")
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"PROMETHEUS_TOKEN_FILE": "/t", "PROMETHEUS_SECRET": "ops/prom", "ALLOW_PLAIN_CREDENTIALS": "true"},
        {"PROMETHEUS_TOKEN_FILE": "/t"},
        {"PROMETHEUS_CERT_FILE": "/c"},
    ],
    ids=["a token twice", "a token over http", "half a client certificate"],
)
def test_credentials_that_cannot_be_meant_are_refused(given, monkeypatch):
    for name, value in given.items():
        monkeypatch.setenv(f"MODELRAMP_{name}", value)
    with pytest.raises(InvalidSpec):
        read_settings()
