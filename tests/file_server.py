"""A web server on loopback that can send parts of files, or fail in chosen ways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class FileServer:
    """What it serves, how it behaves, and what it was asked.

    Parameters
    ----------
    files : dict
        Path → content.
    tag : str
        Its ETag; "" sends none.
    ranges : bool
        Whether it knows Range.
    cut : int or None
        Break the connection after so many bytes of a body.
    length : str or None
        What it states as Content-Length, "" for nothing; by default the truth.
    lies : bool
        Answer a range with the right status and another start.
    asked : list
        (path, Range header or None) of each request.
    """

    files: dict[str, bytes]
    tag: str = '"one"'
    ranges: bool = True
    cut: int | None = None
    length: str | None = None
    lies: bool = False
    asked: list = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[FileServer]:
    state = FileServer(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            state.asked.append((name, self.headers.get("Range")))
            if name not in state.files:
                return self.send_error(404)
            self._send(state.files[name], self._wanted_start())

        def _wanted_start(self) -> int:
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
            same = self.headers.get("If-Range", state.tag) == state.tag
            return int(asked[1]) if asked and same and state.ranges else 0

        def _send(self, content: bytes, start: int) -> None:
            if start >= len(content) > 0:
                return self.send_error(416)
            self.send_response(206 if start else 200)
            if start:
                stated = 0 if state.lies else start
                self.send_header(
                    "Content-Range", f"bytes {stated}-{len(content) - 1}/{len(content)}"
                )
            if state.tag:
                self.send_header("ETag", state.tag)
            stated = str(len(content) - start) if state.length is None else state.length
            if stated:
                self.send_header("Content-Length", stated)
            self.end_headers()
            self.wfile.write(content[start:][: state.cut])

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Clients may leave when they like."""

    server = Server(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
