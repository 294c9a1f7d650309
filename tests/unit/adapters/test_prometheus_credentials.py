import base64

import pytest

from modelramp.adapters.credentials import Credentials, authorization, secret_reader
from modelramp.api.errors import ClusterSilent, Gone, PrometheusSilent
from modelramp.engine.ports import SECRET, Ref

SECRET_NAME = ("ml", "prom")


def test_a_token_is_a_bearer_and_may_end_with_a_line_end():
    assert authorization({"token": "abc\n"}, SECRET_NAME) == {"Authorization": "Bearer abc"}


def test_a_name_and_password_are_basic_in_utf_8():
    found = authorization({"username": "ann", "password": "pä:ss\n"}, SECRET_NAME)["Authorization"]
    assert base64.b64decode(found.removeprefix("Basic ")).decode() == "ann:pä:ss"


@pytest.mark.parametrize("data", [{}, {"token": " "}, {"username": "ann"}, {"password": "x"}, {"Token": "x"}])
def test_a_secret_without_usable_keys_is_named(data):
    with pytest.raises(PrometheusSilent, match="Secret ml/prom needs the key `token`"):
        authorization(data, SECRET_NAME)


@pytest.mark.parametrize("token", ["hush\r\nX-Other: 1", "hush hush", "hüsh", "hush\x00"])
def test_a_token_that_would_break_the_header_is_refused_without_repeating_it(token):
    with pytest.raises(PrometheusSilent) as caught:
        authorization({"token": token}, SECRET_NAME)
    assert "h" + token[1:4] not in str(caught.value)


async def test_a_secret_is_read_once_in_a_while_and_again_when_it_was_not_taken(clock):
    reads = []

    async def read(namespace, name):
        reads.append((namespace, name))
        return {"token": f"t{len(reads)}"}

    credentials = Credentials(read, clock)
    assert await credentials.headers(None) == {}
    for _ in range(3):
        assert await credentials.headers(SECRET_NAME) == {"Authorization": "Bearer t1"}
    clock.time += 31
    assert await credentials.headers(SECRET_NAME) == {"Authorization": "Bearer t2"}
    credentials.forget(SECRET_NAME)
    assert await credentials.headers(SECRET_NAME) == {"Authorization": "Bearer t3"}
    assert reads == [SECRET_NAME] * 3


@pytest.mark.parametrize("error", [Gone("x"), ClusterSilent("x")])
async def test_a_secret_that_cannot_be_read_is_no_answer(error, clock):
    async def read(_namespace, _name):
        raise error

    with pytest.raises(PrometheusSilent, match="Secret ml/prom"):
        await Credentials(read, clock).headers(SECRET_NAME)


async def test_a_secrets_data_is_decoded_and_binary_values_are_left_out():
    class Cluster:
        async def get(self, ref):
            assert ref == Ref(SECRET, "ml", "prom")
            return {"data": {"token": base64.b64encode(b"abc").decode(), "blob": base64.b64encode(b"\xff").decode()}}

    assert await secret_reader(Cluster())("ml", "prom") == {"token": "abc"}
