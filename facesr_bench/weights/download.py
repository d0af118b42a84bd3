"""One URL into one file: resumed where it broke off, retried where that can help, its length checked.

The transfer itself is pooch's HTTPDownloader. Beside the growing `NAME.partial` stands `NAME.partial.json`, which says
where the bytes came from, so that a later process can go on with them.
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
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from facesr_bench.base.errors import WeightsError

CHUNK = 1 << 16
MAX_BYTES = 4 << 30
"""The largest file that is fetched where its size is not published."""

MAX_WAIT = 60.0
_RETRIED_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})

Progress = Callable[[int, "int | None"], None]
"""Called with the bytes there are so far and the bytes there will be (none if the server does not say)."""


@dataclass(frozen=True)
class Transfer:
    """How patient a download is.

    Attributes:
        timeout: seconds without a byte after which a connection counts as dead.
        attempts: how often to try without getting one byte further.
        backoff: seconds before the second attempt; doubled before each one after it.
        progress: told how far it is.
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
    return partial.with_name(partial.name + ".json")


def discard(partial: Path) -> None:
    """Remove a partial file and what is noted of it."""
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
    """One request and its answer; `write` and `flush` are what pooch's downloader calls."""

    def __init__(self, url: str, partial: Path, size: int | None, checked: bool, transfer: Transfer) -> None:
        self.url, self.partial, self.size, self.checked, self.transfer = url, partial, size, checked, transfer
        self.host = urlsplit(url).netloc
        self.start = 0
        self.done = 0
        self.total: int | None = None
        self.resumed = False
        self.stream: BinaryIO | None = None

    def run(self) -> None:
        import pooch
        import requests

        headers = {"Accept-Encoding": "identity"}  # else Content-Length counts compressed bytes
        note = _read_note(self.partial)
        if note is not None and (self.checked or (note.url == self.url and note.validator)):
            self.start, self.total = _length(self.partial), note.total
        if self.start:
            self.resumed = True
            if self.start == self.total:
                return
            headers["Range"] = f"bytes={self.start}-"
            if note is not None and note.url == self.url and note.validator:
                headers["If-Range"] = note.validator
        downloader = pooch.HTTPDownloader(
            chunk_size=CHUNK,
            timeout=(min(self.transfer.timeout, 10.0), self.transfer.timeout),
            headers=headers,
            hooks={"response": self._on_response},
        )
        try:
            downloader(self.url, self, None)
            self._finish()
        except requests.HTTPError as error:
            self._bad_status(error)
        except requests.RequestException as error:
            self._broken(error)
        except OSError as error:
            raise WeightsError(f"{self.partial}: can't be written: {error.strerror or error}") from error
        finally:
            if self.stream is not None:
                self.stream.close()

    # -- what pooch calls --------------------------------------------------------------------------------------------

    def write(self, chunk: bytes) -> None:
        assert self.stream is not None  # opened when the answer's headers came
        self.stream.write(chunk)
        self.done += len(chunk)
        limit = self.total if self.total is not None else self.size if self.size is not None else MAX_BYTES
        if self.done > limit:
            raise WeightsError(f"{self.host} sends more than the {limit} bytes that the file should have")
        if self.transfer.progress is not None:
            self.transfer.progress(self.done, self.total)

    def flush(self) -> None:
        """Nothing: pooch asks for it after every piece, and only the end matters."""

    # -- the answer --------------------------------------------------------------------------------------------------

    def _on_response(self, response: Any, *_args: Any, **_kwargs: Any) -> None:
        """Look at the headers before a byte of the body is read."""
        if response.is_redirect or response.status_code >= 400:
            return  # requests follows the one, pooch raises the other
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
        self.done = self.start
        # In this order: a note must never vouch for bytes of another file.
        self.stream = self.partial.open("ab" if self.start else "wb")
        _write_note(self.partial, _Note(self.url, _validator(response.headers), self.total))

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

    def _finish(self) -> None:
        if self.stream is not None:
            self.stream.flush()
            os.fsync(self.stream.fileno())
        expected = self.total if self.total is not None else self.size
        if expected is not None and self.done != expected:
            raise _Retry(f"the connection ended after {self.done} of {expected} bytes")

    # -- what goes wrong ---------------------------------------------------------------------------------------------

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
    """What If-Range can ask by; a weak ETag promises nothing about bytes."""
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
