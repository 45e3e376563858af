"""Small pieces of HTML that the report is put together from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape as html

__all__ = "card code count gallery html join paragraph per_cent pretty section table".split()

_WORDS = "no one two three four five six seven eight nine ten eleven twelve".split()


def section(title: str, *parts: str) -> str:
    name = "-".join(title.lower().split())
    body = "\n".join(part for part in parts if part)
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>\n{body}\n</section>'


def paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{text}</p>' if kind else f"<p>{text}</p>"


def code(text: str) -> str:
    return f"<code>{html(text)}</code>"


def count(n: int) -> str:
    """Small numbers as words, as in running text."""
    return _WORDS[n] if n < len(_WORDS) else str(n)


def per_cent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:.1f}"


def join(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def pretty(name: str) -> str:
    """A population or projection as the drawings name it."""
    return name.replace("delta_", "δ ").replace("->", "→")


def table(
    title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()
) -> str:
    """A table that scrolls sideways where it does not fit; the first cell of a row is its head."""

    def kind(column: int) -> str:
        return ' class="number"' if column in numbers else ""

    head = "".join(f'<th scope="col"{kind(i)}>{text}</th>' for i, text in enumerate(heads))
    body = "\n".join(
        "<tr>"
        + f'<th scope="row">{row[0]}</th>'
        + "".join(f"<td{kind(i)}>{cell}</td>" for i, cell in enumerate(row[1:], 1))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{html(title)}" tabindex="0">\n<table>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


def gallery(cards: Iterable[str]) -> str:
    """Figures side by side where there is room."""
    return '<div class="figures">\n' + "\n".join(cards) + "\n</div>"


def card(uri: str, alt: str, caption: str = "", kind: str = "") -> str:
    """A picture on white, with its description for those who cannot see it."""
    of_kind = f' class="{kind}"' if kind else ""
    below = f"<figcaption>{caption}</figcaption>" if caption else ""
    image = f'<img src="{uri}" alt="{html(alt)}">'
    return f'<figure{of_kind}><div class="card">{image}</div>{below}</figure>'
