"""What is installed is what lies in the checkout."""

import tomllib
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS = ("circuits", "rules", "backends", "analysis", "training")


def test_every_folder_of_code_is_packaged():
    """A new subfolder that pyproject.toml does not list would be missing from the wheel."""
    found = {
        "oneway." + ".".join(path.parent.relative_to(ROOT).parts)
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert found == set(PROJECT["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_is_installed(folder):
    """Data files too: recipes, styles, the marker that says the package is typed."""
    spec = find_spec(f"oneway.{folder}")
    assert spec is not None and spec.origin is not None
    installed = Path(spec.origin).parent
    for path in (ROOT / folder).rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            parts = path.relative_to(ROOT / folder).parts
            assert installed.joinpath(*parts).is_file()


def test_version_and_command():
    assert version("oneway") == PROJECT["project"]["version"]
    (command,) = entry_points(group="console_scripts", name="oneway")
    assert command.value == PROJECT["project"]["scripts"]["oneway"]


def test_imports_form_no_circle():
    """Not even those that only types need: what two modules both need lies below them."""
    grimp = pytest.importorskip("grimp")  # it comes with import-linter
    graph = grimp.build_graph(*(f"oneway.{folder}" for folder in FOLDERS))
    arrows = nx.DiGraph(
        (module, imported)
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    )
    assert arrows.number_of_edges() > 300
    assert [sorted(c) for c in nx.strongly_connected_components(arrows) if len(c) > 1] == []
