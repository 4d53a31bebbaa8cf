import sys
from types import SimpleNamespace

import pytest
from environments import ROOT, run


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The sdist, the wheel made from it, and the wheel made from the tree."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--outdir", folder / "both", ROOT, cwd=folder)
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "direct", ROOT, cwd=folder)
    (sdist,) = (folder / "both").glob("*.tar.gz")
    (wheel,) = (folder / "both").glob("*.whl")
    (direct,) = (folder / "direct").glob("*.whl")
    return SimpleNamespace(sdist=sdist, wheel=wheel, direct=direct)
