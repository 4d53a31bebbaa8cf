"""The oldest versions that pyproject allows, and those of Colab, do the work too: ``make lowest``, some minutes.

All but torch: the wheels of older ones that can run without CUDA are not in the package index. What the bounds do not say (jsonschema,
say) is as in constraints.txt.
"""

import shutil

import pytest
from environments import CONSTRAINTS, EXAMPLE, REQUIREMENTS, ROOT, Environment, run, versions
from packaging.utils import canonicalize_name
from packaging.version import Version

LOWEST = {
    canonicalize_name(one.name): bound.version
    for one in REQUIREMENTS
    for bound in one.specifier
    if bound.operator == ">=" and one.name != "torch"
}
COLAB = versions(ROOT / "tests/package/colab.txt")
for name in ("torch", "triton", "setuptools"):  # go together
    del COLAB[name]
FREE = {"llvmlite", "sympy"}  # Numba brings the llvmlite that it is made for; the torch of today asks for a newer SymPy than we do
TOOLS = ["pytest", "hypothesis", "beartype", "num2words", "vl-convert-python"]
PYTEST = ["-m", "pytest", "-q", "-W", "error", "-W", "ignore::DeprecationWarning", "-p", "no:cacheprovider"]  # what users see is an error
PART = ["barcodes/test_barcode", "charts/test_charts", "study/test_study", "barcodes/test_scores"]


@pytest.fixture(scope="module", params=[LOWEST, COLAB], ids=["lowest", "colab"])
def old(request, built, tmp_path_factory):
    environment = Environment(tmp_path_factory.mktemp("old"))
    wanted = versions(CONSTRAINTS) | request.param
    constraint = environment.folder / "constraints.txt"
    constraint.write_text("".join(f"{name}=={version}\n" for name, version in wanted.items() if name not in FREE))
    environment.install("--constraint", constraint, built.wheel, *TOOLS)
    environment.install("--no-deps", f"sympy=={request.param['sympy']}")
    environment.wanted = {name: request.param[name] for name in LOWEST if name in request.param}
    yield environment
    shutil.rmtree(environment.folder)  # a gigabyte


def test_versions_are_old(old, tmp_path):
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    found = dict(zip(old.wanted, map(Version, run(old.python, "-c", code, *old.wanted, cwd=tmp_path).stdout.split()), strict=True))
    assert found == {name: Version(version) for name, version in old.wanted.items()}


def test_readme_example_runs(old, tmp_path):
    done = run(old.python, "-c", EXAMPLE, cwd=tmp_path)
    assert "birth" in done.stdout
    assert done.stderr == ""


def test_examples_of_the_reference(old, tmp_path):
    run(old.python, *PYTEST, "--doctest-modules", old.packages / "lossbarcode", cwd=tmp_path)


def test_part_of_the_tests(old, tmp_path):
    shutil.copytree(ROOT / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    run(old.python, *PYTEST, "-o", "pythonpath=tests", *(f"tests/{name}.py" for name in PART), cwd=tmp_path)
