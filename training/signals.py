"""What carries the signals of a circuit, as tables: ``oneway check --signals``, and the page.

``python -m oneway.training.signals docs/spiking_signals.md`` writes those of that page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneway.analysis import Beyond, reads_beyond
from oneway.circuits import Circuit, WiringError, parse_circuit
from oneway.circuits.summary import aligned, count_totals
from oneway.rules import parse_rule

if TYPE_CHECKING:
    from oneway.backends.spiking import Carriers

# The spiking backend lists every synapse; what carries signals does not depend on how many.
MOST_SYNAPSES = 500_000
NAMED = 3

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Signals:
    """What carries the signals of a circuit, and what is read beyond a synapse's own two cells.

    Parameters
    ----------
    beyond : list of Beyond
    carriers : Carriers or None
        None: `why_not` says why the spiking backend cannot tell.
    """

    beyond: list[Beyond]
    carriers: Carriers | None
    why_not: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        told = asdict(self.carriers) if self.carriers else None
        return {
            "beyond": [asdict(one) for one in self.beyond],
            "carriers": told,
            "why_no_carriers": self.why_not or None,
        }

    def sections(self) -> Iterator[tuple[str, Rows]]:
        """Titles, and the tables below them with headings first; where empty, left out."""
        if self.carriers is None:
            return
        for title, rows in (
            ("signals, and what carries them", _carried(self.carriers)),
            ("told without a synapse", _told(self.carriers)),
            ("read in other groups than one's own", _read(self.carriers)),
            (_pairs_title(self.carriers), _doubled(self.carriers)),
        ):
            if len(rows) > 1:
                yield title, rows

    def text(self) -> str:
        """For a terminal."""
        parts = [f"{title}\n" + _indented(aligned(rows)) for title, rows in self.sections()]
        if self.why_not:
            parts.append(f"what carries the signals as spikes is not told: {self.why_not}")
        return "\n\n".join([*parts, f"{BEYOND}\n" + _indented(map(str, self.beyond))])

    def markdown(self) -> str:
        """For a page."""
        parts = [f"**{_capital(title)}**\n\n{_markdown(rows)}" for title, rows in self.sections()]
        sentences = "\n".join(f"- {_code(str(one))}" for one in self.beyond)
        return "\n\n".join([*parts, f"**{_capital(BEYOND)}**\n\n{sentences}"])


BEYOND = "read beyond a synapse's own two cells, whatever runs the circuit"


def read_signals(circuit: Circuit, **how: Any) -> Signals:
    """What carries the signals of a wired circuit.

    Parameters
    ----------
    **how
        As `SpikingNetwork` takes it, such as ``dale=True``.
    """
    beyond, total = reads_beyond(circuit), count_totals(circuit).synapses
    if total > MOST_SYNAPSES:
        why = f"{total:,} synapses are too many to list, expected at most {MOST_SYNAPSES:,}; a "
        return Signals(beyond, None, why + "narrower circuit of the same kind has the same table")
    try:
        from oneway.backends.spiking import SpikingNetwork

        return Signals(beyond, SpikingNetwork(circuit, **how).carriers())
    except (ModuleNotFoundError, WiringError) as error:
        return Signals(beyond, None, str(error))


# -- rows --------------------------------------------------------------------------------------


def _carried(carriers: Carriers) -> Rows:
    rows = [
        (one.signal, one.by, f"{one.synapses:,}" if one.synapses else "-", one.driven)
        for one in carriers.carried
    ]
    return _without_alike([("signal", "carried by", "synapses", "driven by"), *rows])


def _without_alike(rows: Rows) -> Rows:
    """Without the last column where it says the same in every row."""
    return rows if len({row[-1] for row in rows[1:]}) > 1 else [row[:-1] for row in rows]


def _told(carriers: Carriers) -> Rows:
    rows = [
        (one.what, one.meaning, _names(one.cells), _names(one.synapses)) for one in carriers.told
    ]
    return [("what", "says", "to cells", "to synapses"), *rows]


def _names(titles: Sequence[str]) -> str:
    if not titles:
        return "-"
    few = ", ".join(title.split(" (")[0] for title in titles)
    return few if len(titles) <= NAMED else f"{len(titles)} groups"


def _read(carriers: Carriers) -> Rows:
    rows = [
        (one.reader, f"{one.readers:,}", one.variable, one.of, f"{one.values:,}")
        for one in carriers.read
    ]
    return [("who", "how many", "read", "of", "values"), *rows]


def _doubled(carriers: Carriers) -> Rows:
    rows = [
        (one.signal, f"{one.synapses:,}", f"{one.real:,}", f"{one.weights:,}", one.driven)
        for one in carriers.doubled
    ]
    headings = ("weighted synapses", "here", "between real cells", "weights", "driven by")
    return _without_alike([headings, *rows])


def _pairs_title(carriers: Carriers) -> str:
    names = _names([title for title, _ in carriers.pairs])
    return f"units of two cells with one membrane ({names}): their cells share weights too"


# -- text --------------------------------------------------------------------------------------


def _indented(lines: Iterable[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _code(text: str) -> str:
    """Quoted names as code."""
    return text.replace("'", "`")


def _markdown(rows: Rows) -> str:
    headings, *others = rows
    marks = ["---" if not _number(column[1]) else "---:" for column in zip(*rows, strict=True)]
    lines = ([cell.replace("|", r"\|") for cell in row] for row in (headings, marks, *others))
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _number(text: str) -> bool:
    return text.replace(",", "").isdecimal()


# -- the page ----------------------------------------------------------------------------------

MLP, CONV = "mlp:16-8-8-4", "alexnet:1x8x8-3,width=2,hidden=4,norm=none"
SHOWN: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (MLP, "kp", {}),
    (MLP, "wm", {}),
    (MLP, "asap,k=2,gate=local", {}),
    (MLP, "dkp", {}),
    (CONV, "kp", {}),
    (MLP, "kp", {"dale": True}),
)

# What a person has written ends there.
MARK = "<!-- Below: python -m oneway.training.signals docs/spiking_signals.md -->\n"


def signals_tables() -> str:
    """The tables of the page as Markdown."""
    parts = [MARK]
    for net, rule, how in SHOWN:
        said = "".join(f", `{name}={value}`" for name, value in how.items())
        signals = read_signals(parse_rule(rule).wire(parse_circuit(net)), **how)
        parts.append(f"## `{net}`, `{rule}`{said}\n\n{signals.markdown()}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    written, _, _ = page.read_text(encoding="utf-8").partition(MARK)
    page.write_text(written + signals_tables(), encoding="utf-8")
