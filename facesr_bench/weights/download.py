"""One URL into one file: resumed where it broke off, retried where that can help, its length checked.

Beside the growing `NAME.partial` stands `NAME.partial.json` with the bytes' origin, so that a later process can go on
with them.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from facesr_bench.base.errors import WeightsError

CHUNK = 1 << 16
MAX_BYTES = 4 << 30
"""The largest file that is fetched where its size is not published."""

MAX_WAIT = 60.0
_RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})

Progress = Callable[[int, "int | None"], None]
"""Called with the bytes there are so far and the bytes there will be (None if the server does not state it)."""


@dataclass(frozen=True)
class Transfer:
    """How patient a download is.

    Attributes:
        timeout: seconds without a byte after which a connection counts as dead.
        attempts: how often to try without getting one byte further.
        backoff: seconds before the second attempt; doubled before each one after it.
        progress: called after every piece.
        unreachable: hosts that could not be connected to, so that the next file does not wait for them again.
    """

    timeout: float = 30.0
    attempts: int = 5
    backoff: float = 0.5
    progress: Progress | None = None
    unreachable: set[str] = field(default_factory=set)


class _Retry(Exception):  # noqa: N818
    """Worth another attempt."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class _Note:
    """Where a partial file's bytes came from."""

    url: str
    validator: str
    total: int | None


def partial_note(partial: Path) -> Path:
    """Where it is written from where a half-finished download came."""
    return partial.with_name(partial.name + ".json")


def discard(partial: Path) -> None:
    """Remove a partial file and its note."""
    partial.unlink(missing_ok=True)
    partial_note(partial).unlink(missing_ok=True)


def download(url: str, partial: Path, *, size: int | None, checked: bool, transfer: Transfer) -> bool:
    """Fetch `url` into `partial`, going on from what is there.

    Args:
        size: of the file in bytes, if published; a server that announces another is refused before the transfer.
        checked: the caller will compare the file's hash with a published one. If not, bytes are only added to those of
            the same URL, and only if the server can say that its file is still the same (ETag or Last-Modified).

    Returns:
        True if the file was put together from several transfers.

    Raises:
        WeightsError: not fetched; says why. What arrived stays for the next time.
    """
    host = urlsplit(url).netloc
    if host in transfer.unreachable:
        raise WeightsError(f"{host} can't be reached")
    idle, resumed = 0, False
    while True:
        before = _length(partial)
        one = _OneTransfer(url, partial, size, checked, transfer)
        try:
            one.run()
            return resumed or one.resumed
        except _Retry as error:
            resumed = resumed or one.resumed
            idle = 0 if _length(partial) > before else idle + 1
            if idle >= transfer.attempts:
                raise WeightsError(f"{host}: {error} (tried {idle} times)") from error
            pause = transfer.backoff * 2 ** max(idle - 1, 0) * random.uniform(0.8, 1.2)  # noqa: S311
            time.sleep(min(pause if error.wait is None else error.wait, MAX_WAIT))


class _OneTransfer:
    """One request and its answer."""

    def __init__(self, url: str, partial: Path, size: int | None, checked: bool, transfer: Transfer) -> None:
        self.url, self.partial, self.size, self.checked, self.transfer = url, partial, size, checked, transfer
        self.host = urlsplit(url).netloc
        self.start = 0
        self.done = 0
        self.total: int | None = None
        self.resumed = False

    def run(self) -> None:
        import requests

        headers = self._headers()
        if self.start and self.start == self.total:
            return
        timeout = (min(self.transfer.timeout, 10.0), self.transfer.timeout)
        try:
            with requests.get(self.url, headers=headers, timeout=timeout, stream=True) as response:
                response.raise_for_status()
                self._accept(response)
                self._receive(response)
        except requests.HTTPError as error:
            self._bad_status(error)
        except requests.RequestException as error:
            self._broken(error)
        except OSError as error:
            raise WeightsError(f"{self.partial}: can't be written: {error.strerror or error}") from error

    def _headers(self) -> dict[str, str]:
        """The request's headers; notes where to go on from, if the bytes that are there can be used."""
        headers = {"Accept-Encoding": "identity"}  # else Content-Length counts compressed bytes
        note = _read_note(self.partial)
        if note is None or not (self.checked or (note.url == self.url and note.validator)):
            return headers
        self.start, self.total = _length(self.partial), note.total
        self.resumed = self.start > 0
        if self.resumed:
            headers["Range"] = f"bytes={self.start}-"
            if note.url == self.url and note.validator:
                headers["If-Range"] = note.validator
        return headers

    # -- the answer --------------------------------------------------------------------------------------------------

    def _accept(self, response: Any) -> None:
        """Check the headers before a byte of the body is read."""
        if self.url.startswith("https:") and not response.url.startswith("https:"):
            raise WeightsError(f"{self.host} redirects to an unencrypted address: {response.url}")
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise WeightsError(f"{self.host} answers with a web page, not with the file (a sign-in page, or it moved)")
        length = _number(response.headers.get("Content-Length"))
        if response.status_code == 206:
            self._continue(response.headers.get("Content-Range", ""))
        elif response.status_code == 200:
            self.start, self.resumed, self.total = 0, False, length
        else:
            raise WeightsError(f"{self.host} answers {response.status_code} {response.reason}, not the file")
        self._check_length(response)

    def _receive(self, response: Any) -> None:
        """Append the body to the partial file.

        Raises:
            _Retry: it is shorter than announced.
            WeightsError: it is longer.
        """
        self.done = self.start
        limit = self.total if self.total is not None else self.size if self.size is not None else MAX_BYTES
        # The file is emptied before its note is written: a note must never vouch for bytes of another file.
        with self.partial.open("ab" if self.start else "wb") as stream:
            _write_note(self.partial, _Note(self.url, _validator(response.headers), self.total))
            for chunk in response.iter_content(CHUNK):
                stream.write(chunk)
                self.done += len(chunk)
                if self.done > limit:
                    raise WeightsError(f"{self.host} sends more than the {limit} bytes that the file should have")
                if self.transfer.progress is not None:
                    self.transfer.progress(self.done, self.total)
            stream.flush()
            os.fsync(stream.fileno())
        expected = self.total if self.total is not None else self.size
        if expected is not None and self.done != expected:
            raise _Retry(f"the connection ended after {self.done} of {expected} bytes")

    def _continue(self, content_range: str) -> None:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", content_range.strip())
        total = _number(found[2]) if found else None
        if not found or int(found[1]) != self.start or (self.total is not None and total not in {None, self.total}):
            discard(self.partial)
            raise _Retry("it goes on at another place than asked, or with another file", wait=0)
        self.total = total if total is not None else self.total

    def _check_length(self, response: Any) -> None:
        if self.size is not None and self.total is not None and self.total != self.size:
            raise WeightsError(f"{self.host} announces {self.total} bytes, but the file has {self.size}")
        if self.total is None and self.size is None and not self.checked and not response.raw.chunked:
            raise WeightsError(f"{self.host} does not say how long the file is, and nothing is known to check it by")
        if self.total is not None:
            if self.size is None and self.total > MAX_BYTES:
                raise WeightsError(f"{self.host} announces {self.total} bytes; the limit is {MAX_BYTES}")
            free = shutil.disk_usage(self.partial.parent).free
            if self.total - self.start > free:
                raise WeightsError(
                    f"{self.partial.parent}: {self.total - self.start} bytes are to come, {free} are free; "
                    "make room, or set FACESR_BENCH_CACHE to another disk"
                )

    # -- failures ---------------------------------------------------------------------------------------------------

    def _bad_status(self, error: Any) -> None:
        status = error.response.status_code
        answer = f"answers {status} {error.response.reason}"
        if status == 416 and self.start:
            discard(self.partial)
            raise _Retry(answer, wait=0) from error
        if status in _RETRIED_STATUS:
            raise _Retry(answer, _number(error.response.headers.get("Retry-After"))) from error
        raise WeightsError(f"{self.host} {answer}") from error

    def _broken(self, error: Exception) -> None:
        import requests
        from urllib3.exceptions import NewConnectionError, ReadTimeoutError

        causes = _causes(error)
        no_connection = (requests.ConnectTimeout, requests.exceptions.ProxyError, NewConnectionError)
        if any(isinstance(cause, no_connection) for cause in causes):
            self.transfer.unreachable.add(self.host)
            raise WeightsError(f"{self.host} can't be reached") from error
        if isinstance(error, requests.exceptions.SSLError):
            raise WeightsError(f"{self.host}: no secure connection: {error}") from error
        if any(isinstance(cause, (requests.ReadTimeout, ReadTimeoutError)) for cause in causes):
            raise _Retry(f"nothing came for {self.transfer.timeout:g} s") from error
        if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            so_far = f" after {self.done} of {self.total} bytes" if self.done and self.total else ""
            raise _Retry(f"the connection broke off{so_far}") from error
        raise WeightsError(f"{self.url}: {error}") from error


def _causes(error: BaseException) -> list[BaseException]:
    """The error and everything it wraps; urllib3 keeps what it wraps in `reason` and `args`."""
    found: list[BaseException] = []
    queue: list[Any] = [error]
    while queue:
        current = queue.pop()
        if isinstance(current, BaseException) and current not in found:
            found.append(current)
            queue += [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
    return found


def _validator(headers: Any) -> str:
    """The value for If-Range; a weak ETag promises nothing about bytes."""
    etag = str(headers.get("ETag", ""))
    return etag if etag and not etag.startswith("W/") else str(headers.get("Last-Modified", ""))


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.strip().isdecimal() else None


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _read_note(partial: Path) -> _Note | None:
    try:
        note = json.loads(partial_note(partial).read_text(encoding="utf-8"))
        total = note["total"]
        return _Note(str(note["url"]), str(note["validator"]), None if total is None else int(total))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_note(partial: Path, note: _Note) -> None:
    partial_note(partial).write_text(json.dumps(asdict(note)), encoding="utf-8")
