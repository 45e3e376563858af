"""Pages as a browser shows them: measured in headless Chromium, at two widths, in both schemes."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the PATH"
)
FAULTS = ("small", "clipped", "overlapping", "faint", "unreachable")


def measured(page: str, folder: Path) -> dict[str, dict]:
    """`"390 dark"` and so on -> what was measured there; `measure.js` says how."""
    script = (Path(__file__).parent / "measure.js").read_text(encoding="utf-8")
    given = json.dumps(page).replace("</", "<\\/").replace("<!--", "<\\!--")
    wrapper = folder / "measured.html"
    wrapper.write_text(
        "<!doctype html><meta charset=utf-8><body>"
        f"<script>const PAGE = {given};\n{script}</script>",
        encoding="utf-8",
    )
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000")
    done = subprocess.run(
        [CHROMIUM, *options, f"--user-data-dir={folder / 'profile'}", "--dump-dom", str(wrapper)],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = re.search(r'<pre id="found">(.*)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(unescape(found[1]))


def assert_readable(found: dict[str, dict], texts: int, learners: int = 0) -> None:
    """No fault anywhere; at least so many texts were looked at, and so many arrows lit up."""
    assert set(found) == {"390 light", "390 dark", "1280 light", "1280 dark"}, found
    assert found["390 light"]["learners"] >= learners
    for where, page in found.items():
        assert page["texts"] >= texts, where
        assert {fault: page[fault] for fault in FAULTS} == {fault: [] for fault in FAULTS}, where
        assert page["smallest"] >= 11 and page["faintest"] >= 4.5
        assert page["wide"] <= 0, where
        assert page["requests"] == []
        dark = "dark" in where
        assert page["dark"] == dark and (page["ground"] < 0.1) == dark, where
