import base64

import pytest

from modelramp.adapters.credentials import Credentials, Files, authorization, presented_by, secret_reader
from modelramp.api.errors import ApiServerUnavailable, Gone, PrometheusUnavailable
from modelramp.api.kinds import SECRET, Ref
from modelramp.engine.ports import Endpoint

SECRET_NAME = ("ml", "prom")
WITH_SECRET = Endpoint("https://prom", SECRET_NAME)
NO_FILES = Files()


def test_a_token_is_a_bearer_and_may_end_with_a_line_end():
    assert authorization({"token": "abc\n"}, "ml/prom").headers == {"Authorization": "Bearer abc"}


def test_a_name_and_password_are_basic_in_utf_8():
    found = authorization({"username": "ann", "password": "pä:ss\n"}, "ml/prom").headers["Authorization"]
    assert base64.b64decode(found.removeprefix("Basic ")).decode() == "ann:pä:ss"


@pytest.mark.parametrize("data", [{}, {"token": " "}, {"username": "ann"}, {"password": "x"}, {"Token": "x"}])
def test_a_secret_without_usable_keys_is_named(data):
    with pytest.raises(PrometheusUnavailable, match="Secret ml/prom needs the key `token`"):
        presented_by(data, "ml/prom")


@pytest.mark.parametrize("token", ["hush\r\nX-Other: 1", "hush hush", "hüsh", "hush\x00"])
def test_a_token_that_would_break_the_header_is_refused_without_repeating_it(token):
    with pytest.raises(PrometheusUnavailable) as caught:
        authorization({"token": token}, "ml/prom")
    assert "h" + token[1:4] not in str(caught.value)


HEADERS = (("X-Scope-OrgID", "tenant"), ("X-Api-Key", "api-key"))


def test_headers_take_their_values_from_the_secret_beside_its_credentials_or_without():
    data = {"tenant": "team-a\n", "api-key": "hush", "token": "abc"}
    found = presented_by(data, "ml/prom", HEADERS)
    assert found.headers == {"X-Scope-OrgID": "team-a", "X-Api-Key": "hush", "Authorization": "Bearer abc"}
    assert set(found.sent.secrets) == {"team-a", "hush", "abc"}
    assert presented_by(data, "ml/prom", HEADERS[:1]).headers.keys() == {"X-Scope-OrgID", "Authorization"}
    assert presented_by({"tenant": "a"}, "ml/prom", HEADERS[:1]).headers == {"X-Scope-OrgID": "a"}


def test_a_header_from_the_secret_takes_the_place_of_its_token():
    found = presented_by({"token": "abc", "key": "ApiKey x"}, "ml/prom", (("authorization", "key"),))
    assert found.headers == {"authorization": "ApiKey x"}


@pytest.mark.parametrize("value", [None, "", "hush\nHost: b", "h\x00sh", "hüsh", " hush"])
def test_a_value_that_would_break_the_header_is_refused_without_repeating_it(value):
    data = {} if value is None else {"tenant": value}
    with pytest.raises(PrometheusUnavailable, match="Secret ml/prom: `tenant` is missing, or has characters") as caught:
        presented_by(data, "ml/prom", HEADERS[:1])
    assert "sh" not in str(caught.value)


@pytest.mark.parametrize("data", [{"tls.crt": "x"}, {"tls.key": "x"}])
def test_half_a_client_certificate_is_named(data):
    with pytest.raises(PrometheusUnavailable, match=r"Secret ml/prom needs both `tls.crt` and `tls.key`"):
        presented_by(data, "ml/prom")


def test_nothing_of_what_is_presented_shows_when_it_is_printed():
    data = {"token": "hush", "tls.crt": "hush", "tls.key": "hush", "ca.crt": "hush"}
    assert "hush" not in repr(presented_by(data, "ml/prom"))


async def test_a_secret_is_read_once_in_a_while_and_again_when_it_was_not_taken(clock):
    reads = []

    async def read(namespace, name):
        reads.append((namespace, name))
        return {"token": f"t{len(reads)}"}

    async def headers(endpoint):
        return (await credentials.presented(endpoint)).headers

    credentials = Credentials(read, clock)
    assert await headers(Endpoint("https://prom")) == {}
    for _ in range(3):
        assert await headers(WITH_SECRET) == {"Authorization": "Bearer t1"}
    clock.time += 31
    assert await headers(WITH_SECRET) == {"Authorization": "Bearer t2"}
    credentials.forget(WITH_SECRET, NO_FILES)
    assert await headers(WITH_SECRET) == {"Authorization": "Bearer t3"}
    assert reads == [SECRET_NAME] * 3


async def test_a_token_file_that_somebody_writes_anew_is_read_again(clock, tmp_path):
    files = Files(str(tmp_path / "token"))
    credentials = Credentials(None, clock)

    async def bearer():
        return (await credentials.presented_from(files)).headers["Authorization"]

    with pytest.raises(PrometheusUnavailable, match=r"token cannot be read \(FileNotFoundError\)"):
        await bearer()
    for token in ("one", "two"):
        (tmp_path / "token").write_text(f"{token}\n")
        clock.time += 31
        assert await bearer() == f"Bearer {token}"
    (tmp_path / "token").write_text("three")
    assert await bearer() == "Bearer two"
    credentials.forget(WITH_SECRET, files)
    assert await bearer() == "Bearer three"


@pytest.mark.parametrize("error", [Gone("x"), ApiServerUnavailable("x")])
async def test_a_secret_that_cannot_be_read_is_no_answer(error, clock):
    async def read(_namespace, _name):
        raise error

    with pytest.raises(PrometheusUnavailable, match="Secret ml/prom"):
        await Credentials(read, clock).presented(WITH_SECRET)


async def test_a_secrets_data_is_decoded_and_binary_values_are_left_out():
    class Cluster:
        async def get(self, ref):
            assert ref == Ref(SECRET, "ml", "prom")
            return {"data": {"token": base64.b64encode(b"abc").decode(), "blob": base64.b64encode(b"\xff").decode()}}

    assert await secret_reader(Cluster())("ml", "prom") == {"token": "abc"}
