"""A real HTTP server on the loopback that misbehaves on demand."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """How one request is answered.

    Attributes:
        body: the whole file.
        status: other than 200, it is sent with an empty body.
        ranges: whether Range is honoured.
        etag: sent, and compared with If-Range; empty for none.
        ignore_if_range: go on with this body even if the client asked for another.
        cut: close the connection after so many bytes of the body.
        stall: fall silent after so many bytes of the body, until the server stops.
        pace: wait this many seconds before the body.
        length: Content-Length to claim; -1 for none at all.
        chunked: send with chunked encoding.
    """

    body: bytes = b""
    status: int = 200
    ranges: bool = True
    etag: str = '"one"'
    ignore_if_range: bool = False
    cut: int | None = None
    stall: int | None = None
    pace: float = 0.0
    length: int | None = None
    chunked: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Request:
    """What the server saw and sent."""

    path: str
    range: str | None
    if_range: str | None
    sent: int = 0


class Server:
    """Answers each path with its list of answers in turn; the last one for ever."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[Request] = []
        self.stopped = threading.Event()
        self.lock = threading.Lock()

    def serve(self, path: str, *answers: Answer) -> str:
        self.answers[path] = list(answers)
        return self.url + path

    def take(self, path: str) -> Answer:
        with self.lock:
            waiting = self.answers.get(path, [Answer(status=404)])
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    @property
    def sent(self) -> int:
        return sum(request.sent for request in self.requests)


@contextmanager
def running() -> Iterator[Server]:
    """Start the server; stops it, stalled connections included."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: object) -> None:
            pass

        def do_GET(self) -> None:
            answer = server.take(self.path)
            request = Request(self.path, self.headers["Range"], self.headers["If-Range"])
            server.requests.append(request)
            with suppress(BrokenPipeError, ConnectionResetError):
                self._answer(answer, request)
            self.close_connection = True

        def _answer(self, answer: Answer, request: Request) -> None:
            if answer.status != 200:
                return self._headers(answer.status, {"Content-Length": "0", **answer.headers})
            start, status, extra = 0, 200, dict(answer.headers)
            wanted = re.fullmatch(r"bytes=(\d+)-", request.range or "")
            same = request.if_range in {None, answer.etag} or answer.ignore_if_range
            if wanted and answer.ranges and same:
                start, status = int(wanted[1]), 206
                if start >= len(answer.body):
                    return self._headers(416, {"Content-Length": "0"})
                extra["Content-Range"] = f"bytes {start}-{len(answer.body) - 1}/{len(answer.body)}"
            body = answer.body[start:]
            if answer.etag:
                extra["ETag"] = answer.etag
            if answer.chunked:
                extra["Transfer-Encoding"] = "chunked"
            elif answer.length != -1:
                extra["Content-Length"] = str(len(body) if answer.length is None else answer.length)
            self._headers(status, extra)
            server.stopped.wait(answer.pace)
            end = min(x for x in (answer.cut, answer.stall, len(body)) if x is not None)
            for at in range(0, end, 4096):
                piece = body[at : min(at + 4096, end)]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if answer.chunked else piece)
                request.sent += len(piece)
            if answer.chunked and end == len(body):
                self.wfile.write(b"0\r\n\r\n")
            if answer.stall is not None:
                self.wfile.flush()
                server.stopped.wait()
            return None

        def _headers(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Connection": "close", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server = Server(http.server_port)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopped.set()
        http.shutdown()
        http.server_close()
        thread.join()
