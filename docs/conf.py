"""How the site is built: `make docs`."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

os.environ.pop("MPLBACKEND", None)  # else notebooks would show no pictures

from references import write_inventories

project = "oneway"
author = "The oneway developers"
copyright = author
version = release = installed_version("oneway")

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "docstrings",
    "generated_pages",
    "offline",
    "references",
    "tables",
]
source_suffix = {".md": "myst-nb"}
exclude_patterns = ["_build", "_ext"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

# Notebooks run in every build, which is their test: an error in a cell is an error of the build.
nb_execution_mode = "force"
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
nitpicky = True
# As the source has them: Sphinx would write out what they stand for.
autodoc_type_aliases = {name: name for name in ("ArrayLike", "Gate", "Init", "Norm")}
intersphinx_mapping = write_inventories(Path(__file__).parent / "_build" / "inventories")

html_theme = "furo"
html_title = f"oneway {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
