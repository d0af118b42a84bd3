"""A server that lies, sends something else, or says no."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from facesr_bench.base.errors import WeightsError
from facesr_bench.weights import store
from facesr_bench.weights.fetching import fetch
from tests.integration.weights.files import BODY, OTHER, SIZE, entry, leftovers, quick, sha256
from tests.weights_server import Answer, Server, running

# -- lies --------------------------------------------------------------------------------------------------------------


def test_a_length_too_large(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, length=SIZE + 10, ranges=False)))
    with pytest.raises(WeightsError, match="of 300010 bytes"):
        fetch(wanted, quick())
    assert not wanted.path.exists()


def test_a_length_too_small_makes_a_wrong_file(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, length=SIZE - 10)))
    with pytest.raises(WeightsError, match="its sha256 is"):
        fetch(wanted, quick())
    assert not wanted.path.exists()


def test_another_length_than_published_is_refused_before_the_transfer(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY)), size=SIZE + 1)
    with pytest.raises(WeightsError, match="announces 300000 bytes, but the file has 300001"):
        fetch(wanted, quick())
    assert leftovers(cache) == []


def test_no_length_and_nothing_to_check_by(server: Server, cache: Path) -> None:
    url = server.serve("/net.pth", Answer(BODY, length=-1))
    with pytest.raises(WeightsError, match="does not say how long"):
        fetch(entry(cache, url, body=None), quick())
    assert fetch(entry(cache, url), quick()).status.verdict == "verified"


def test_more_bytes_than_the_published_size(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, chunked=True)), size=1000)
    with pytest.raises(WeightsError, match="more than the 1000 bytes"):
        fetch(wanted, quick())
    assert not wanted.path.exists()


def test_a_wrong_file_is_refused_and_kept_aside(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(OTHER)))
    with pytest.raises(WeightsError) as error:
        fetch(wanted, quick())
    aside = f"net.pth.rejected-{sha256(OTHER)[:8]}"
    for part in (sha256(OTHER), f"expected {sha256(BODY)}", aside):
        assert part in str(error.value)
    assert leftovers(cache) == [aside]
    assert (wanted.path.with_name(aside)).read_bytes() == OTHER


def test_a_wrong_prefix_is_refused(server: Server, cache: Path) -> None:
    url = server.serve("/net.pth", Answer(BODY))
    with pytest.raises(WeightsError, match=r"expected 0123abcd\.\.\."):
        fetch(entry(cache, url, body=None, sha256_prefix="0123abcd"), quick())
    right = entry(cache, url, body=None, sha256_prefix=sha256(BODY)[:8])
    assert fetch(right, quick()).status.verdict == "pinned"


@pytest.mark.parametrize("body", [b"<!doctype html><p>Sign in", b"", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_page_instead_of_an_unhashed_file(server: Server, cache: Path, body: bytes) -> None:
    url = server.serve("/net.pth", Answer(body))
    with pytest.raises(WeightsError, match=r"it is (a text|empty)"):
        fetch(entry(cache, url, body=None), quick())
    assert store.pins() == {}


def test_a_web_page_is_recognised_by_its_type(server: Server, cache: Path) -> None:
    url = server.serve("/net.pth", Answer(BODY, headers={"Content-Type": "text/html; charset=utf-8"}))
    with pytest.raises(WeightsError, match="a web page, not with the file"):
        fetch(entry(cache, url), quick())


# -- statuses ----------------------------------------------------------------------------------------------------------


def test_404_is_not_tried_again(server: Server, cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"^net: not fetched: 127\.0\.0\.1:\d+ answers 404 Not Found$"):
        fetch(entry(cache, server.url + "/gone.pth"), quick())
    assert len(server.requests) == 1


def test_503_is_tried_again_until_it_recovers(server: Server, cache: Path) -> None:
    busy = Answer(status=503, headers={"Retry-After": "0"})
    wanted = entry(cache, server.serve("/net.pth", busy, busy, Answer(BODY)))
    assert fetch(wanted, quick()).status.verdict == "verified"
    assert len(server.requests) == 3


def test_503_for_ever_is_given_up(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(status=503)))
    with pytest.raises(WeightsError, match=r"answers 503 Service Unavailable \(tried 3 times\)"):
        fetch(wanted, quick())
    assert len(server.requests) == 3


def test_the_server_says_how_long_to_wait(server: Server, cache: Path) -> None:
    busy = Answer(status=503, headers={"Retry-After": "1"})
    started = time.monotonic()
    fetch(entry(cache, server.serve("/net.pth", busy, Answer(BODY))), quick())
    assert time.monotonic() - started >= 1


def test_no_network_is_one_line_and_not_waited_for_twice(cache: Path) -> None:
    with running() as gone:
        pass
    wanted, options = entry(cache, gone.url + "/net.pth"), quick()
    for _ in range(2):
        with pytest.raises(WeightsError, match=r"^net: not fetched: 127\.0\.0\.1:\d+ can't be reached; elsewhere: .*$"):
            fetch(wanted, options)
    assert len(options.transfer.unreachable) == 1
