"""Virtual environments that hold none of the checkout: empty, with a distribution installed, or with versions only written down."""

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
REQUIREMENTS = [Requirement(one) for one in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]]
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


def versions(file):
    """Name and version of every line ``name==version``."""
    lines = [line.partition("#")[0].strip() for line in Path(file).read_text().splitlines()]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines if line)}


def run(*command, cwd):
    """What a command prints; a failure shows what it wrote, and nothing of the checkout is in its reach."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, env=kept | {"TQDM_DISABLE": "1"})
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


class Environment:
    """A new virtual environment. It has no pip, so that what runs in it cannot install anything; pip works on it from outside."""

    def __init__(self, folder):
        venv.create(folder)
        self.folder, self.python = folder, folder / "bin" / "python"

    @property
    def packages(self):
        return next((self.folder / "lib").glob("python*/site-packages"))

    def pip(self, *arguments):
        return run(sys.executable, "-m", "pip", "--python", self.python, *arguments, cwd=self.folder)

    def install(self, *arguments):
        """Bytecode is left to the first import: most of torch and SymPy is never imported, and compiling all takes a minute."""
        self.pip("install", "--quiet", "--no-compile", *arguments)
        return self

    def pretend(self, installed):
        """Write down that packages are installed. What they require is left out: as long as none is replaced, that holds as before."""
        for name, version in installed.items():
            folder = self.packages / f"{name.replace('-', '_')}-{version}.dist-info"
            folder.mkdir()
            (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        return self

    def would_install(self, what):
        """Name and version of all that pip would install or replace."""
        report = self.folder / "report.json"
        self.pip("install", "--quiet", "--dry-run", "--report", report, what)
        items = [item["metadata"] for item in json.loads(report.read_text())["install"]]
        return {canonicalize_name(item["name"]): item["version"] for item in items}
