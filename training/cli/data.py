"""`oneway data`: which data sets there are, and how to get and check their files."""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.markup import escape

from ..console import Terminal
from ..data.catalogue import DATA_DIR_VARIABLE, KNOWN, STREAMED, Known, check_known, data_folder
from ..data.checking import check_files, place_of
from ..data.obtain import NOT_FOR_DOWNLOAD, get_data
from ..errors import DataError
from ..terminal import say
from .shared import print_json, tell

UNLIKE_OFFICIAL = 1


def run(arguments: argparse.Namespace) -> int:
    return {"list": _list, "get": _get, "check": _check}[arguments.action](arguments)


def _get(arguments: argparse.Namespace) -> int:
    name = arguments.name
    if name in NOT_FOR_DOWNLOAD or name not in KNOWN:
        folder = Path()  # get_data says why this cannot be had
    else:
        folder = _named_folder(arguments.data_dir, name)
    get_data(name, folder, arguments.url, tell)
    return 0


def _named_folder(given: Path | None, name: str) -> Path:
    """The data folder, which need not be there yet."""
    place = given or os.environ.get(DATA_DIR_VARIABLE)
    if not place:
        raise DataError(
            f"where shall {name} be put? Name the data folder with --data-dir, or in the "
            f"environment variable {DATA_DIR_VARIABLE}"
        )
    return Path(place).expanduser()


# -- check -------------------------------------------------------------------------------------


def _check(arguments: argparse.Namespace) -> int:
    name = arguments.name
    check_known(name)
    findings = check_files(name, data_folder(name, arguments.data_dir))
    good = all(finding.good for finding in findings)
    if arguments.json:
        files = [asdict(finding) for finding in findings]
        print_json({"name": name, "ok": good, "files": files})
    else:
        for finding in findings:
            say(f"{finding.state:9} {finding.name} {finding.note}".rstrip())
        say(f"{name}: {'as it should be' if good else 'not the official data set'}")
    return 0 if good else UNLIKE_OFFICIAL


# -- list --------------------------------------------------------------------------------------


def _list(arguments: argparse.Namespace) -> int:
    given = arguments.data_dir or os.environ.get(DATA_DIR_VARIABLE)
    folder = Path(given).expanduser() if given else None
    entries = [_entry(known, folder) for known in KNOWN.values()]
    if arguments.json:
        print_json({"data_dir": str(folder) if folder else None, "data": entries})
    else:
        _show(entries, folder)
    return 0


def _entry(known: Known, folder: Path | None) -> dict[str, Any]:
    place = place_of(known.name, folder)
    return {
        "name": known.name,
        "samples": known.samples,
        "there": known.name == "digits" or place is not None,
        "place": str(place) if place else None,
        "looked_for_in": [str((folder or Path()) / each) for each in known.places],
        "download_bytes": known.size,
        "checked_by": _checked_by(known),
        "terms": known.terms,
        "citation": known.citation,
        "home": known.home,
    }


def _checked_by(known: Known) -> str:
    if known.name == "digits" or known.name == "folder":
        return "nothing"
    if known.name in STREAMED:
        return "counts"
    return "md5 of each file" if known.files[0].md5 else "md5 of the archive, counts"


def _show(entries: list[dict[str, Any]], folder: Path | None) -> None:
    console = Terminal(highlight=False, soft_wrap=True)
    console.print(
        f"looked for in {escape(str(folder))}"
        if folder
        else f"no data folder: name one with --data-dir, or in {DATA_DIR_VARIABLE}"
    )
    for entry in entries:
        console.print(f"\n[bold]{entry['name']}[/]  {_whereabouts(entry)}")
        console.print(f"    {escape(entry['samples'])}")
        console.print(f"    terms: {escape(entry['terms'])}")
        if entry["citation"]:
            console.print(f"    cite: {escape(entry['citation'])}")


def _whereabouts(entry: dict[str, Any]) -> str:
    if entry["place"]:
        return f"[green]there[/]: {escape(entry['place'])}"
    if entry["there"]:
        return "[green]there[/]: comes with scikit-learn"
    if entry["download_bytes"]:
        size = f"{entry['download_bytes'] / 1e6:.0f} MB"
        return f"not there; oneway data get {entry['name']} ({size}; {entry['checked_by']})"
    return "not there; cannot be downloaded without asking: oneway data get " + entry["name"]
