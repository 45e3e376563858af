"""XML that others wrote: entities, by which a small file can name a huge one, are refused."""

from __future__ import annotations

from xml.parsers import expat


def check_xml(data: bytes) -> None:
    """Look through XML before a reader builds a tree of it.

    Raises
    ------
    ValueError
        It is not well formed, or declares an entity.

    Examples
    --------
    >>> check_xml(b"<graph/>")
    """
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error


def _refuse(name: str, *_: object) -> None:
    raise ValueError(
        f"it declares an entity, {name!r}, which no graph needs: write out what it says"
    )
