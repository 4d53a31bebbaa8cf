"""The package as it is distributed: what is in it, what a clean environment makes of it, and that Colab keeps its own packages."""

import json
import re
import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from environments import CONSTRAINTS, EXAMPLE, REQUIREMENTS, ROOT, Environment, run, versions
from packaging.metadata import Metadata
from packaging.utils import canonicalize_name

COLAB = versions(Path(__file__).with_name("colab.txt"))
LIGHT = {"lossbarcode", "jaxtyping", "numpy", "psutil", "tqdm"}  # all else is slow, and is imported where it is first needed
MODULES = {
    path.relative_to(ROOT).as_posix() for path in (ROOT / "lossbarcode").rglob("*") if path.is_file() and "__pycache__" not in path.parts
}
ADDED = {"gudhi", "jaxtyping", "wadler-lindig"}  # what Colab does not have: jaxtyping needs the last of them
NOT_RELEASED = {".ci"}  # of what is tracked


def names(wheel):
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="session")
def clean(built, tmp_path_factory):
    """What a user gets who installs the wheel without extras."""
    environment = Environment(tmp_path_factory.mktemp("clean")).install("--constraint", CONSTRAINTS, built.wheel)
    yield environment
    shutil.rmtree(environment.folder)  # a gigabyte


def test_wheel_holds_the_modules_and_nothing_else(built):
    found = names(built.wheel)
    info = {name for name in found if PurePosixPath(name).parts[0].endswith(".dist-info")}
    assert {"lossbarcode/__init__.py", "lossbarcode/py.typed"} <= MODULES
    assert found - info == MODULES
    assert {PurePosixPath(name).name for name in info} == {"METADATA", "WHEEL", "RECORD", "LICENSE"}


def test_wheels_from_the_sdist_and_from_the_tree_agree(built):
    assert names(built.wheel) == names(built.direct)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="which files are meant is known to git")
def test_sdist_holds_what_its_tests_read(built):
    with tarfile.open(built.sdist) as sdist:
        found = {name.partition("/")[2] for name in sdist.getnames()}
    tracked = run("git", "ls-files", cwd=ROOT).stdout.split("\n")
    assert [name for name in tracked if name and PurePosixPath(name).parts[0] not in NOT_RELEASED and name not in found] == []


def test_metadata(built):
    wheel = zipfile.ZipFile(built.wheel)
    (path,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]
    metadata = Metadata.from_email(wheel.read(path), validate=True)  # as the package index does
    assert (metadata.name, metadata.license_expression, metadata.license_files) == ("lossbarcode", "MIT", ["LICENSE"])
    assert f"{metadata.name}-{metadata.version}-py3-none-any.whl" == built.wheel.name
    assert metadata.description == (ROOT / "README.md").read_text()
    assert {one.name for one in metadata.requires_dist if one.marker is None} == {one.name for one in REQUIREMENTS}


def test_clean_environment_is_its_own(clean, tmp_path):
    code = "import importlib.util as u, lossbarcode; print(lossbarcode.__file__, *map(u.find_spec, ('pip', 'IPython', 'vl_convert')))"
    where, *found = run(clean.python, "-c", code, cwd=tmp_path).stdout.split()
    assert Path(where).is_relative_to(clean.packages)
    assert found == ["None"] * 3


def test_readme_example_runs(clean, tmp_path):
    assert len([line for line in EXAMPLE.splitlines() if line.strip()]) <= 10
    done = run(clean.python, "-c", EXAMPLE, cwd=tmp_path)
    assert "birth" in done.stdout
    assert "vega" in (tmp_path / "barcode.html").read_text()
    assert done.stderr == ""


@pytest.mark.parametrize("name", ["your_function", "your_network"])
def test_code_of_the_page_runs(name, clean, tmp_path):
    """All blocks one after the other, as a reader copies them; what needs Hugging Face's models runs in tests/losses/test_attention.py."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "book" / f"{name}.md").read_text(), re.S)
    assert len(blocks) >= 2
    blocks = [block for block in blocks if "transformers" not in block]
    assert run(clean.python, "-c", "\n".join(blocks), cwd=tmp_path).stderr == ""


def test_notebook_runs_as_a_script(clean, tmp_path):
    script = shutil.copy(ROOT / "notebooks" / "01_barcodes.py", tmp_path)
    done = run(clean.python, script, cwd=tmp_path)
    assert done.stdout
    assert done.stderr == ""


def test_import_loads_nothing_slow(clean, tmp_path):
    code = """
import json, sys, time
import torch
before, start = set(sys.modules), time.perf_counter()
import lossbarcode
print(json.dumps([time.perf_counter() - start, sorted({name.partition(".")[0] for name in set(sys.modules) - before})]))
"""
    runs = [json.loads(run(clean.python, "-c", code, cwd=tmp_path).stdout) for _ in range(2)]  # the first may compile
    print(f"importing lossbarcode takes {runs[-1][0]:.2f} s beyond torch")  # a figure, not a claim: machines differ
    standard = run(clean.python, "-c", "import sys; print(*sys.stdlib_module_names)", cwd=tmp_path).stdout.split()
    assert set(runs[-1][1]) - set(standard) <= LIGHT


def test_colab_keeps_its_packages(built, tmp_path):
    """pip's own resolver, on an environment that says it has what Colab has."""
    assert {canonicalize_name(one.name) for one in REQUIREMENTS} - set(COLAB) == {"gudhi", "jaxtyping"}
    assert set(Environment(tmp_path / "colab").pretend(COLAB).would_install(built.wheel)) == {"lossbarcode", *ADDED}


def test_colab_with_an_old_numpy_would_not(built, tmp_path):
    replaced = Environment(tmp_path / "old").pretend(COLAB | {"numpy": "1.20"}).would_install(built.wheel)
    assert set(replaced) == {"lossbarcode", "numpy", *ADDED}


def test_citation_is_valid(tmp_path):
    """Its checker has old dependencies, and gets a place of its own."""
    checker = Environment(tmp_path / "checker").install("cffconvert==2.0.0")
    done = run(checker.python.with_name("cffconvert"), "--validate", "-i", ROOT / "CITATION.cff", cwd=tmp_path)
    assert "valid" in done.stdout
