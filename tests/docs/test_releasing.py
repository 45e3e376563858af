"""One version everywhere, a citation that tools can read, archives that come out the same."""

import io
import re
import sys
import tarfile
import tomllib
from datetime import date

import pytest
from pages import ROOT

from oneway.training.cli.main import main

yaml = pytest.importorskip("yaml")  # it comes with pre-commit

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def test_the_version_stands_in_one_place_and_is_said_everywhere(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"oneway {VERSION}\n"
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert any(VERSION in heading for heading in headings)


def test_citation():
    """What the Citation File Format 1.2.0 requires, and what changes with a release."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["cff-version"] == "1.2.0" and cited["type"] == "software"
    assert cited["authors"] and all({"name"} <= set(author) for author in cited["authors"])
    assert cited["version"] == VERSION
    assert date.fromisoformat(cited["date-released"])
    assert cited["license"] == "MIT"


def test_a_source_archive_comes_out_the_same(monkeypatch):
    """Whoever packs it, and whenever."""
    monkeypatch.syspath_prepend(ROOT / "releasing")
    monkeypatch.delitem(sys.modules, "build", raising=False)
    from build import repacked

    def packed(mtime: int, owner: int, names: str) -> bytes:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:gz") as tar:
            for name in names:
                member = tarfile.TarInfo(name)
                member.mtime, member.uid, member.mode = mtime, owner, 0o600 + owner
                member.size = len(name)
                tar.addfile(member, io.BytesIO(name.encode()))
        return archive.getvalue()

    one, other = packed(1, 0, "abc"), packed(2, 7, "cab")
    assert one != other and repacked(one, 5) == repacked(other, 5)
    with tarfile.open(fileobj=io.BytesIO(repacked(one, 5))) as tar:
        assert [(m.name, m.mtime, tar.extractfile(m).read()) for m in tar] == [
            (name, 5, name.encode()) for name in "abc"
        ]
