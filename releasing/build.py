"""Builds the source archive and the wheel, twice, and refuses what does not come out the same.

Both are made from the files that git knows, with the time of the last commit, so that whoever
builds a tag gets the same bytes. `make dist` runs this, and checks the files.

Usage: python releasing/build.py [FOLDER]     (by default ./dist)
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
BUILD = "import sys, setuptools.build_meta as b; print(getattr(b, sys.argv[1])(sys.argv[2]))"


def main(folder: Path) -> list[Path]:
    """The two files, as they came out of both builds."""
    seconds = int(_git("log", "-1", "--format=%ct"))
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        builds = [build(Path(place), seconds) for place in (first, second)]
        for one, other in zip(*builds, strict=True):
            if one.read_bytes() != other.read_bytes():
                raise SystemExit(f"{one.name} came out in two ways: nothing was written")
        folder.mkdir(parents=True, exist_ok=True)
        made = [Path(shutil.copy(file, folder)) for file in builds[0]]
    for file in made:
        print(hashlib.sha256(file.read_bytes()).hexdigest(), file)
    return made


def build(place: Path, seconds: int) -> list[Path]:
    """Wheel and source archive of the files that git knows, built in a copy of them."""
    copy, out = place / "oneway", place / "out"
    for name in _git("ls-files", "-z").split("\0"):
        if name and (ROOT / name).is_file():
            target = copy / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
            target.chmod(0o644)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(seconds)}
    made = []
    for kind in ("build_wheel", "build_sdist"):
        command = [sys.executable, "-c", BUILD, kind, str(out)]
        ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
        if ran.returncode:
            raise SystemExit(ran.stderr)
        made.append(out / ran.stdout.split()[-1])
    made[1].write_bytes(repacked(made[1].read_bytes(), seconds))
    return made


def repacked(archive: bytes, seconds: int) -> bytes:
    """A source archive without what differs from build to build: times, owners, modes, order."""
    packed = BytesIO()
    with (
        tarfile.open(fileobj=BytesIO(archive)) as old,
        gzip.GzipFile(filename="", fileobj=packed, mode="wb", mtime=seconds) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            content = old.extractfile(member)
            member.mtime, member.uid, member.gid, member.uname, member.gname = seconds, 0, 0, "", ""
            member.mode, member.pax_headers = 0o755 if member.isdir() else 0o644, {}
            new.addfile(member, content)
    return packed.getvalue()


def _git(*words: str) -> str:
    command = ["git", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist")
