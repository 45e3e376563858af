"""How drawings look: the colours of either scheme, dashes, and what a line's colour means."""

from __future__ import annotations

# Name → on light and on dark ground. Those of roles are Okabe and Ito's, told apart by
# colour-blind readers too, darkened or lightened until each stands out 3:1 from its ground.
COLOURS = {
    "ground": ("#ffffff", "#1d2125"),
    "ink": ("#1d2327", "#ebe8e1"),
    "soft": ("#545e66", "#b0b7bd"),
    "edge": ("#6b757c", "#8d969d"),
    "forward": ("#e4edf5", "#233a4c"),
    "feedback": ("#fbebd3", "#463721"),
    "auxiliary": ("#ddf0e8", "#1f4033"),
    "target": ("#ededed", "#3a3f44"),
    "shade": ("#fadfd4", "#54281a"),
    "drive": ("#333333", "#d8d5ce"),
    "teach": ("#0072b2", "#6cbcf0"),
    "gate": ("#a86c00", "#e9ab2c"),
    "norm": ("#b0558a", "#d98fba"),
    "mimic": ("#008a64", "#40c79b"),
    "compare": ("#767676", "#9aa2a9"),
    "tied": ("#c04f00", "#f5924e"),
}

ROLE_MEANINGS = {
    "drive": "drive: adds to the input",
    "teach": "teach: signal to learn from",
    "gate": "gate: multiplies by φ′",
    "norm": "norm: batch norm's derivative",
    "mimic": "mimic: takes over the activity",
    "compare": "compare: output against target",
}
ROLES = tuple(ROLE_MEANINGS)
THIN, THICK = 1.2, 2.6
TIED_DASHES = {"tied": (7.0, 3.0), "sign-tied": (2.5, 2.5)}
TIED_MEANINGS = {
    "tied": "weights read off the forward ones",
    "sign-tied": "signs read off the forward ones",
}


def variables(scheme: int) -> str:
    """The colours of the light (0) or dark (1) scheme as declarations of CSS variables."""
    return " ".join(f"--ow-{name}: {pair[scheme]};" for name, pair in COLOURS.items())
