"""Fixtures shared by all tests. A test that takes ``device`` runs on the CPU and, where there is one, on a GPU."""

import contextlib
import os
from pathlib import Path

import jaxtyping
import pytest
import torch
from hypothesis import settings

# Shapes and types in signatures are checked on every call of every test; users pay nothing for them. Compiled loops are left to Numba.
PACKAGE = Path(__file__).parents[1] / "lossbarcode"
MODULES = [path for path in PACKAGE.rglob("*/*.py") if path.stem != "__init__" and "_support.compiled import" not in path.read_text()]
if "LOSSBARCODE_UNCHECKED" not in os.environ:  # benchmarks measure what users run
    jaxtyping.install_import_hook(
        [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts) for path in MODULES if path.parent.name != "_support"],
        "type_checker.check",
    )

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


@contextlib.contextmanager
def unchecked():
    """Signatures are not checked in here, so that bad input meets the checks that users meet."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def as_users_call():
    with unchecked():
        yield


@pytest.fixture
def bad_input(request):
    def refused():
        call, message = request.param
        with unchecked(), pytest.raises(ValueError, match=message):
            call()

    return refused
