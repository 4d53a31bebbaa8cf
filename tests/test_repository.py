"""What a reader of the repository relies on: README, addresses, notebooks, layers."""

import ast
import json
import re
from collections import Counter
from pathlib import Path

import jupytext
import nbformat
import pytest
import tomllib
import yaml

import lossbarcode as lb

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

# A module imports only from those above it (design of the package).
LAYERS = [
    "_kernels", "_progress", "_types", "_checks", "_machine", "_graph", "_canonical", "functions", "data", "_derivatives", "networks", "_neighbors", "_sampling", "_basins", "_morse",
    "_subgradient", "_checkpoint", "_minima", "_paths", "_elder", "_barcode", "_score", "_evidence", "charts", "experiments", "__init__",
]  # fmt: skip


def imported_layers(path):
    """Names of the package's own modules that a file imports, with dots resolved."""
    package = path.relative_to(ROOT / "lossbarcode").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            parts = [*package[: len(package) + 1 - node.level], *(node.module or "").split(".")]
            names = [p for p in parts if p]
            yield from [names[0]] if names else [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom | ast.Import):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (module.removeprefix("lossbarcode.") for module in modules if module.startswith("lossbarcode"))


@pytest.mark.parametrize("path", sorted((ROOT / "lossbarcode").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    parts = path.relative_to(ROOT / "lossbarcode").with_suffix("").parts
    own = LAYERS.index(parts[0])
    inside = len(parts) > 1
    for name in imported_layers(path):
        assert LAYERS.index(name) < own or (inside and name == parts[0]), f"{parts[0]} imports {name}"


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
    for module in (lb.functions, lb.charts, lb.experiments):
        assert all(getattr(module, name).__doc__ for name in module.__all__)
    with pytest.raises(AttributeError, match="no attribute 'barcodes'"):
        _ = lb.barcodes
    assert lb.__version__ == PROJECT["version"]


def test_numbers_of_readme_and_pages_are_measured():
    """A hundred million samples in about a minute, with 15 bytes each: half a microsecond a sample."""
    text = (ROOT / "README.md").read_text()
    runs = json.loads((ROOT / "notebooks/results/10_performance.json").read_text())["benchmarks"]
    (run,) = [run for run in runs if run["extra_info"].get("samples") == 10**8]
    assert "a hundred million samples in about a minute, with 15 bytes each" in " ".join(text.split())
    assert "15 bytes and half a microsecond a sample" in (ROOT / "book" / "which_route.md").read_text()
    assert "15 bytes a sample, a hundred million in about a minute" in (ROOT / "book" / "your_function.md").read_text()
    assert 40 < run["stats"]["median"] < 70
    assert round(run["extra_info"]["bytes_per_sample"]) <= 15


def test_intro_example_runs():
    first, second = re.findall(r"```python\n(.*?)```", (ROOT / "book" / "intro.md").read_text(), re.S)
    exec(first.replace("1_000_000", "10_000") + second, {})


def test_errors_of_the_page_are_those_of_the_package():
    source = " ".join(path.read_text() for path in (ROOT / "lossbarcode").rglob("*.py"))
    table = (ROOT / "book" / "which_route.md").read_text().partition("| it says |")[2]
    said = re.findall(r"^\| `([^`]+)`", table, re.M)
    assert len(said) > 5
    for text in said:
        for part in text.split("..."):
            assert part.strip() in source, text


def table_of_claims():
    """What notebook 11 shows: for each claim its verdict and number."""
    cells = nbformat.read(ROOT / "notebooks" / "11_claims.ipynb", as_version=4).cells
    outputs = [
        output.data.get("text/html", "") for cell in cells if cell.cell_type == "code" for output in cell.outputs if "data" in output
    ]
    (table,) = [output for output in outputs if "<th>claim</th>" in output]
    rows = [re.findall(r"<td>(.*?)</td>", row, re.S) for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)]
    return {claim: (verdict.removeprefix("<b>").removesuffix("</b>"), number) for _, claim, verdict, number, *_ in filter(None, rows)}


def test_headlines_are_those_of_the_claims():
    home = " ".join((ROOT / "book" / "intro.md").read_text().split())
    claims = table_of_claims()
    counts = Counter(verdict for verdict, _ in claims.values())
    assert (
        f"Of {len(claims)} claims of the two papers, tested on functions, handwritten digits and generated text, {counts['reproduced']} "
        f"reproduced, {counts['partly']} partly, {counts['not reproduced']} not; {counts['not tested']} could not be tested here"
    ) in home
    for claim, number, said in (
        ("Barcodes and saddles of benchmark functions", "camels: all bars, ends within 0.0004", "come out of samples within 0.0004 of"),
        ("Faster than GUDHI's cubical complex", "1.7 to 4.9 times as fast", "1.7 to 4.9 times less time"),
        ("Barcodes and TO-scores sink with width", "births fall in 6 of 6; deaths fall in 6 of 6; TO-scores fall in 6 of 6", "in 6 of 6 comparisons"),
        ("Barcodes and TO-scores sink with depth", "births fall in 6 of 6", "lower minima, too, in 6 of 6"),
        ("Barcodes and TO-scores sink with depth", "TO-scores fall in 0 of 6", "TO-scores fall in 0 of 6"),
    ):  # fmt: skip
        (found,) = [found for text, (_, found) in claims.items() if text.startswith(claim)]
        assert number in found
        assert said in home


def test_page_on_reproduction_has_every_notebook_and_table():
    page = (ROOT / "book" / "reproduce.md").read_text()
    assert set(re.findall(r"^\| \{doc\}`../notebooks/(\w+)`", page, re.M)) == {path.stem for path in NOTEBOOKS}
    assert set(re.findall(r"`(\d\d_\w+\.(?:csv|json))`", page)) == {path.name for path in (ROOT / "notebooks" / "results").iterdir()}
    assert all(f"`make {name}`" in page for name in ("book", "test", "lowest", "bench"))


def test_reference_has_every_public_name():
    page = (ROOT / "book" / "api.md").read_text()
    named = set(re.findall(r"auto(?:function|class):: (\w+)", page)) | set(re.findall(r"automodule:: lossbarcode\.(\w+)", page))
    assert named == set(lb.__all__)


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
    assert citation["version"] == PROJECT["version"]


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
    assert f"version = {{{PROJECT['version']}}}" in page
    assert f"## {PROJECT['version']} (" in (ROOT / "CHANGELOG.md").read_text()


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
