"""A server of files on this machine that misbehaves as it is told, request by request."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


@dataclass(frozen=True)
class Answer:
    """What is wrong with one answer; nothing, by default.

    cut: bytes of the body after which the connection ends. claim: a Content-Length that is not the body's.
    most: bytes of one piece, rightly said to be no more. shift: a piece starts so much before what was asked for.
    """

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    claim: int | None = None
    silence: float = 0.0
    ranges: bool = True
    condition: bool = True
    chunked: bool = False
    pace: float = 0.0
    most: int | None = None
    shift: int = 0


class Request(NamedTuple):
    """What the server was asked."""

    method: str
    path: str
    range: str | None
    condition: str | None


class Server(ThreadingHTTPServer):
    """`files` by path; `gets` and `heads` are the next answers, then `usual` ones follow."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.gets: deque[Answer] = deque()
        self.heads: deque[Answer] = deque()
        self.usual = Answer()
        self.etag, self.modified = True, True
        self.asked: list[Request] = []
        self.sent = 0

    @property
    def url(self) -> str:
        """The address of the folder with the files."""
        return f"http://127.0.0.1:{self.server_port}/data"

    @property
    def fetched(self) -> list[Request]:
        """The requests for contents."""
        return [request for request in self.asked if request.method == "GET"]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""

    def validators(self, body: bytes) -> dict[str, str]:
        """A state's ETag and date, both of its bytes."""
        digest = hashlib.md5(body).hexdigest()
        date = f"Tue, {int(digest[:2], 16) % 28 + 1:02} Jan 2019 00:00:00 GMT"
        return {**({"ETag": f'"{digest}"'} if self.etag else {}), **({"Last-Modified": date} if self.modified else {})}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_HEAD(self) -> None:
        self._answer(self.server.heads)

    def do_GET(self) -> None:
        self._answer(self.server.gets)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, queue: deque[Answer]) -> None:
        server = self.server
        asked = Request(self.command, self.path, self.headers["Range"], self.headers["If-Range"])
        server.asked.append(asked)
        answer = queue.popleft() if queue else server.usual
        time.sleep(answer.silence)
        body = server.files.get(self.path.removeprefix("/data/"))
        if answer.status is not None or body is None:
            self._send(answer.status or 404, {"Content-Length": "4", **answer.headers}, b"nope", answer)
            return
        marks = {**server.validators(body), **answer.headers}
        start = self._start(asked, answer, marks)
        if start >= len(body) > 0:
            marks |= {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"}
            self._send(416, marks, b"", answer)
            return
        start -= answer.shift if start else 0
        piece = body[start:][: answer.most if start else None]
        status = 206 if start else 200
        if start:
            marks["Content-Range"] = f"bytes {start}-{start + len(piece) - 1}/{len(body)}"
        length = "Transfer-Encoding" if answer.chunked else "Content-Length"
        marks[length] = "chunked" if answer.chunked else str(len(piece) if answer.claim is None else answer.claim)
        self._send(status, marks, piece, answer)

    def _start(self, asked: Request, answer: Answer, marks: dict[str, str]) -> int:
        if asked.range is None or not answer.ranges:
            return 0
        stale = asked.condition not in (None, marks.get("ETag"), marks.get("Last-Modified"))
        return 0 if stale and answer.condition else int(asked.range.removeprefix("bytes=").rstrip("-"))

    def _send(self, status: int, headers: dict[str, str], body: bytes, answer: Answer) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        body = body if answer.cut is None else body[: answer.cut]
        for place in range(0, len(body), 1 << 14):
            part = body[place : place + (1 << 14)]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if answer.chunked else part)
            self.wfile.flush()
            self.server.sent += len(part) if status < 300 else 0
            time.sleep(answer.pace)
        if answer.chunked and answer.cut is None:
            self.wfile.write(b"0\r\n\r\n")
        lied = answer.claim is not None and answer.claim != len(body)
        self.close_connection = self.close_connection or answer.cut is not None or lied


@contextmanager
def serving() -> Iterator[Server]:
    """A server for as long as the block lasts."""
    server = Server()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
