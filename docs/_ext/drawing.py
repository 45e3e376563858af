"""How the site draws a circuit: the one place that knows."""

from __future__ import annotations

from io import StringIO

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from oneway.analysis import check_wiring
from oneway.analysis.plots import draw_circuit
from oneway.circuits import Circuit


def circuit_svg(circuit: Circuit) -> str:
    """A circuit as SVG with real text; pairs of cells joined both ways are shaded."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": circuit.name}):
        figure = draw_circuit(circuit, verdict=check_wiring(circuit)).figure
        drawn = StringIO()
        figure.savefig(drawn, format="svg", metadata={"Date": None})
        plt.close(figure)
    return drawn.getvalue()
