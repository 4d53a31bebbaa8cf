"""What a reader of the repository relies on: README, addresses, notebooks, rooms."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import house
import jupytext
import nbformat
import pytest
import tomllib
import yaml

import lossbarcode as lb
from lossbarcode import study

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
URL = PROJECT["urls"]["Repository"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TEXTS = [
    path
    for folder, pattern in (("", "*"), ("book", "**/*"), ("lossbarcode", "**/*.py"), ("notebooks", "*"), ("tests", "**/*.py"))
    for path in (ROOT / folder).glob(pattern)
    if path.suffix in (".py", ".md", ".yml", ".toml", ".cff", ".ipynb", ".txt", ".cfg") or path.name == "Makefile"
]

# What each room may import: the routes do not know each other, and where they meet knows no route.
GROUND = {"_support", "losses", "barcodes"}
ROUTES = {"sampled", "morse", "transition"}
ALLOWED = {
    "_support": set(),
    "losses": {"_support"},
    "barcodes": {"_support"},
    **dict.fromkeys(ROUTES, GROUND),
    "charts": GROUND | ROUTES,
    "study": GROUND | ROUTES | {"charts"},
    "lossbarcode": GROUND | ROUTES | {"charts"},
}
FLOORS = {"_support": 0, "losses": 1, "barcodes": 1, "sampled": 2, "morse": 2, "transition": 2}
NOT_LOADED = ("lossbarcode.study", "lossbarcode.charts", "altair", "pandas", "gudhi", "numba", "dask", "xarray", "sympy", "sklearn")


def test_every_room_imports_only_what_is_allowed():
    found = house.arrows()
    assert set(found) == set(ALLOWED)
    for room, below in found.items():
        assert below <= ALLOWED[room], f"{room} imports {sorted(below - ALLOWED[room])}"


def test_imports_have_no_cycle():
    assert house.cycle() == ""


def test_floors():
    floor = house.floors(house.arrows())
    assert {room: floor[room] for room in FLOORS} == FLOORS
    assert min(floor["charts"], floor["study"], floor["lossbarcode"]) > 2
    assert max(floor.values()) == floor["lossbarcode"]


def test_doors_upstairs_lead_to_charts_only():
    """A record may draw itself; nothing else reaches upwards."""
    doors = house.doors_upstairs(house.floors(house.arrows()))
    assert {house.room_of(door.target) for door in doors} <= {"charts"}


def test_charts_import_records_not_algorithms():
    """Of a route only the file that defines the record, not the verb that makes it. (A record is drawn as the barcode read off it.)"""
    verbs = {"basins", "sample", "from_grid", "from_points", "morse_complex", "find_minima", "connect", "elder_rule"}
    for file in sorted((ROOT / "lossbarcode" / "charts").glob("*.py")):
        tree = ast.parse(file.read_text())
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level > 1 for alias in node.names}
        assert not names & verbs, file.name


def test_the_house_sees_what_is_there(tmp_path):
    package = tmp_path / "lossbarcode"
    files = {
        "__init__.py": "from .low import floor",
        "low/__init__.py": "from .floor import stone",
        "low/floor.py": "import torch\n\n\ndef draw():\n    from .. import high",
        "high/__init__.py": "from __future__ import annotations\nfrom ..low import floor\nfrom ..low.floor import stone",
    }
    for name, text in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(f'"""What {name} is."""\n{text}\n')
    assert house.arrows(package) == {"lossbarcode": {"low"}, "low": set(), "high": {"low"}}
    floor = house.floors(house.arrows(package))
    assert floor == {"low": 0, "lossbarcode": 1, "high": 1}
    (door,) = house.doors_upstairs(floor, package)
    assert (door.file.name, door.line, door.target) == ("floor.py", 6, package / "high" / "__init__.py")
    assert house.cycle(package) == ""
    assert "floor.py" in house.picture(package)
    (package / "low" / "floor.py").write_text('"""Stairs."""\nfrom .. import high\n')
    assert "high" in house.cycle(package)


@pytest.mark.slow
def test_import_loads_no_upper_floor():
    code = f"import sys, lossbarcode; print(*[name for name in {NOT_LOADED} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("path", sorted((ROOT / "lossbarcode").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_are_short_and_say_what_they_are(path):
    assert ast.get_docstring(ast.parse(path.read_text()))
    assert len(path.read_text().splitlines()) <= 400


def test_public_names():
    assert sorted(lb.__all__) == sorted(set(lb.__all__))
    for name in lb.__all__:
        item = getattr(lb, name)
        assert item.__doc__, name
        if callable(item) and not isinstance(item, type):
            assert "Example:" in item.__doc__, name
    for module in (lb.data, lb.functions, lb.networks, lb.charts, study):
        assert all(getattr(module, name).__doc__ for name in module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'level'"):
        _ = lb.level


def test_version_stands_once():
    """In ``__init__``, where the build reads it; what is printed elsewhere agrees."""
    assert PROJECT["dynamic"] == ["version"]
    assert "version" not in PROJECT
    quoted = f'"{lb.__version__}"'
    code = [path for folder in ("lossbarcode", "tests") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in [*code, ROOT / "pyproject.toml", ROOT / "Makefile"] if quoted in path.read_text()] == ["__init__.py"]


def test_numbers_of_readme_and_pages_are_measured():
    """10^8 samples in about a minute, one number of bytes per sample on all pages, and half a microsecond per sample."""
    readme, route, own = (
        " ".join((ROOT / name).read_text().split()) for name in ("README.md", "book/which_route.md", "book/your_function.md")
    )
    runs = json.loads((ROOT / "notebooks/results/10_performance.json").read_text())["benchmarks"]
    (run,) = [run for run in runs if run["extra_info"].get("samples") == 10**8]
    measured = str(round(run["extra_info"]["bytes_per_sample"]))
    for text in (readme, route, own):
        assert set(re.findall(r"(\d+) bytes", text)) == {measured}
    for text in (readme, own):
        assert re.search(r"10\^8 .*?in about a minute", text)
    assert 40 < run["stats"]["median"] < 70
    assert "half a microsecond per sample" in route
    assert 0.4e-6 < run["stats"]["median"] / 10**8 < 0.7e-6


def test_intro_example_runs():
    first, second = re.findall(r"```python\n(.*?)```", (ROOT / "book" / "intro.md").read_text(), re.S)
    exec(first.replace("1_000_000", "10_000") + second, {})


def test_errors_of_the_page_are_those_of_the_package():
    source = " ".join(path.read_text() for path in (ROOT / "lossbarcode").rglob("*.py"))
    table = (ROOT / "book" / "which_route.md").read_text().partition("| message |")[2]
    said = re.findall(r"^\| `([^`]+)`", table, re.M)
    assert len(said) > 5
    for text in said:
        for part in text.split("..."):
            assert part.strip() in source, text


def test_page_on_reproduction_has_every_notebook_and_table():
    page = (ROOT / "book" / "reproduce.md").read_text()
    assert set(re.findall(r"^\| \{doc\}`../notebooks/(\w+)`", page, re.M)) == {path.stem for path in NOTEBOOKS}
    assert set(re.findall(r"`(\d\d_\w+\.(?:csv|json))`", page)) == {path.name for path in (ROOT / "notebooks" / "results").iterdir()}
    assert all(f"`make {name}`" in page for name in ("book", "check", "test", "lowest", "bench"))


def test_commands_of_the_pages_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    for name in ("README.md", "CONTRIBUTING.md", "book/reproduce.md"):
        assert set(re.findall(r"`make (\w+)`|^make (\w+)", (ROOT / name).read_text(), re.M)), name
        for groups in re.findall(r"`make (\w+)`|^make (\w+)", (ROOT / name).read_text(), re.M):
            assert set(filter(None, groups)) <= targets, name


def test_files_named_on_contributing_exist():
    for name in re.findall(r"`((?:lossbarcode|tests|book|notebooks)/[\w/.]+)`", (ROOT / "CONTRIBUTING.md").read_text()):
        assert (ROOT / name).exists() or "NN" in name, name


def test_reference_has_every_public_name():
    page = (ROOT / "book" / "api.md").read_text()
    named = set(re.findall(r"auto(?:function|class):: (\w+)", page)) | set(re.findall(r"automodule:: lossbarcode\.(\w+)", page))
    assert named == {*lb.__all__, "study"}


def test_readme_has_every_room():
    readme = (ROOT / "README.md").read_text()
    assert set(re.findall(r"^\| \[`(\w+)/`\]", readme, re.M)) == set(ALLOWED) - {"lossbarcode"}


def test_links_of_the_readme_exist():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target


def test_one_public_address():
    """pyproject states it; every other mention of a repository of this name agrees."""
    owner_and_name = URL.removeprefix("https://github.com/")
    found = 0
    for path in TEXTS:
        for mention in re.findall(r"(?:github\.com|githubusercontent\.com|/github)/([\w.-]+/lossbarcode)\b", path.read_text()):
            found += 1
            assert mention == owner_and_name, path
    assert found > 10
    assert yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]["url"] == URL
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["repository-code"] == URL
    assert citation["version"] == lb.__version__


def test_citation_names_the_software_and_both_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format requires
    assert citation["license"] == PROJECT["license"] == "MIT"
    cited = {reference["url"] for reference in citation["references"]}
    assert cited == {"https://arxiv.org/abs/1912.00043", "https://arxiv.org/abs/2012.15834"}
    assert all({"type", "title", "authors"} <= set(reference) for reference in citation["references"])


def test_metadata_agree():
    """CITATION.cff, the deposit and the page on citing say the same."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    deposit = json.loads((ROOT / ".zenodo.json").read_text())
    page = (ROOT / "book" / "cite.md").read_text()
    for name in ("title", "version", "license", "keywords"):
        assert deposit[name] == citation[name], name
    assert [creator["name"] for creator in deposit["creators"]] == [author["name"] for author in citation["authors"]]
    papers = {reference["url"].rpartition("/")[2] for reference in citation["references"]}
    assert {one["identifier"].removeprefix("arXiv:") for one in deposit["related_identifiers"]} == papers
    for reference in (citation, *citation["references"]):
        assert f"{{{reference['title']}}}" in page
    assert f"version = {{{lb.__version__}}}" in page
    assert f"## {lb.__version__} (" in (ROOT / "CHANGELOG.md").read_text()


def test_constraints_pin_torch():
    assert "torch==2.13.0" in (ROOT / "constraints.txt").read_text().split()


def test_there_are_notebooks():
    assert {path.stem for path in NOTEBOOKS} >= {
        "01_barcodes",
        "02_gradient_morse_complex",
        "03_benchmark_functions",
        "04_convergence",
        "05_small_networks",
        "06_minima_and_paths",
        "07_depth_and_width",
        "08_learning_rate_and_generalization",
        "09_transformers",
        "10_performance",
        "11_claims",
    }


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_and_twin_are_in_step(path):
    twin = jupytext.read(path.with_suffix(".py"))
    notebook = nbformat.read(path, as_version=4)
    assert [(c.cell_type, c.source) for c in notebook.cells] == [(c.cell_type, c.source) for c in twin.cells]
    assert [c.metadata.get("mystnb") for c in notebook.cells] == [c.metadata.get("mystnb") for c in twin.cells]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_has_outputs_and_captions(path):
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run from top to bottom"
    shown = [cell for cell in code if cell.outputs]
    assert len(shown) >= 5
    assert "**Time:**" in notebook.cells[0].source
    assert not [output for cell in code for output in cell.outputs if output.output_type == "error" or output.get("name") == "stderr"]
    for cell in code:
        if any("altair-viz" in str(output.get("data", {}).get("text/html", "")) for output in cell.outputs):
            figure = cell.metadata["mystnb"]["figure"]
            assert figure["name"].startswith("fig-")
            assert len(figure["caption"]) > 20


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_installs_only_where_missing(path):
    first = next(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    assert f'source = "git+{URL}"' in first
    assert 'if importlib.util.find_spec("lossbarcode") is None' in first
    assert first.endswith("\nimport lossbarcode as lb")
    # what is no dependency of the core, and the notebook uses
    assert ("num2words" in first) == ("data.numerals(" in path.with_suffix(".py").read_text())
