"""Pages that are written when the site is built, from what they describe: `docs/generated`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from command_page import command_page
from drawing import side_by_side
from rule_pages import rule_pages
from sphinx.application import Sphinx

from oneway.analysis import check_wiring
from oneway.circuits import mlp
from oneway.rules import parse_rule

# The first that has a name documents it.
PACKAGES = (
    "circuits",
    "rules",
    "analysis.constraints",
    "analysis.graphs",
    "analysis.plots",
    "analysis",
    "backends.rate",
    "backends.spiking",
    "training",
)
API_PAGE = """\
# `{package}`

```{{eval-rst}}
.. automodule:: {package}
   :exclude-members: {elsewhere}
```
"""


def api_pages() -> Iterator[tuple[str, str]]:
    """File name and page of each public package."""
    known: set[int] = set()
    for name in PACKAGES:
        package = f"oneway.{name}"
        public = {n: getattr(import_module(package), n) for n in import_module(package).__all__}
        elsewhere = [n for n, found in public.items() if callable(found) and id(found) in known]
        known |= {id(found) for found in public.values()}
        page = API_PAGE.format(package=package, elsewhere=", ".join(elsewhere))
        yield f"api/{name}.md", page


def two_rules() -> str:
    """What the front page shows: one forward circuit, two rules."""
    forward = mlp((64, 32, 32, 10))
    drawn = {}
    for rule, title in (("kp", "Kolen-Pollack"), ("asap,gate=local", "ASAP, one-way gates")):
        circuit = parse_rule(rule).wire(forward)
        both = check_wiring(circuit, constraint="all").all
        drawn[f"{title}: {both} pairs of neurons joined both ways"] = circuit
    return side_by_side(drawn)


def write_all(app: Sphinx) -> None:
    """Write what has changed, so that an incremental build reads nothing twice."""
    pages = (*api_pages(), *rule_pages(), ("commands.md", command_page()))
    for name, text in (*pages, ("two_rules.html", two_rules())):
        file = Path(app.srcdir) / "generated" / name
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", write_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
