"""Fixtures shared by all tests. A test that takes ``device`` runs on the CPU and, where there is one, on a GPU."""

import pytest
import torch
from hypothesis import settings

settings.register_profile("repository", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("repository")


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device(request.param)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def pytest_generate_tests(metafunc):
    """A test that takes ``bad_input`` runs once for each row of its module's table BAD: a call, and what its ValueError must say."""
    if "bad_input" in metafunc.fixturenames:
        metafunc.parametrize("bad_input", metafunc.module.BAD.values(), ids=metafunc.module.BAD, indirect=True)


@pytest.fixture
def bad_input(request):
    def refused():
        call, message = request.param
        with pytest.raises(ValueError, match=message):
            call()

    return refused
