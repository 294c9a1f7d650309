import pytest
from adapter_fakes import StillClock, Told


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def clock():
    return StillClock()
