"""Fetching over real HTTP from a server on the loopback that truncates, stalls, and recovers."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from facesr_bench.base.errors import WeightsError
from facesr_bench.weights import store
from facesr_bench.weights.download import CHUNK
from facesr_bench.weights.fetching import fetch
from tests.integration.weights.files import BODY, OTHER, SIZE, entry, leftovers, quick
from tests.weights_server import Answer, Server

# -- a good server -----------------------------------------------------------------------------------------------------


def test_fetch_then_here(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY)), size=SIZE)
    arrival = fetch(wanted, quick())
    assert (arrival.how, arrival.status.verdict) == ("fetched", "verified")
    assert wanted.path.read_bytes() == BODY and leftovers(cache) == []
    assert fetch(wanted, quick()).how == "here"
    assert len(server.requests) == 1


def test_chunked_answers_need_no_length(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, chunked=True)), body=None)
    assert fetch(wanted, quick()).status.verdict == "pinned"
    assert wanted.path.read_bytes() == BODY


def test_a_redirect_is_followed(server: Server, cache: Path) -> None:
    real = server.serve("/real", Answer(BODY))
    url = server.serve("/net.pth", Answer(status=302, headers={"Location": real}))
    assert fetch(entry(cache, url), quick()).status.verdict == "verified"


# -- broken connections ------------------------------------------------------------------------------------------------


def test_a_truncated_transfer_goes_on_where_it_stopped(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, cut=200_000), Answer(BODY)))
    fetch(wanted, quick())
    assert wanted.path.read_bytes() == BODY
    first, second = server.requests
    assert second.range is not None and second.if_range == '"one"'
    start = int(second.range.removeprefix("bytes=").removesuffix("-"))
    assert 200_000 - CHUNK <= start <= 200_000, "what had arrived was not used"
    assert (first.sent, second.sent) == (200_000, SIZE - start)


def test_without_range_support_it_starts_again(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, cut=200_000), Answer(BODY, ranges=False)))
    fetch(wanted, quick())
    assert wanted.path.read_bytes() == BODY
    assert [request.sent for request in server.requests] == [200_000, SIZE]


def test_a_stalled_transfer_times_out_and_goes_on(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, stall=200_000), Answer(BODY)))
    started = time.monotonic()
    fetch(wanted, quick())
    assert wanted.path.read_bytes() == BODY
    assert server.requests[1].range is not None
    assert time.monotonic() - started < 10


def test_a_server_that_only_stalls_is_given_up(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, stall=0)))
    with pytest.raises(WeightsError, match=r"nothing came for 0\.5 s \(tried 3 times\)"):
        fetch(wanted, quick())
    assert not wanted.path.exists()


def test_a_server_that_always_truncates_is_given_up_and_the_rest_kept(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, cut=200_000, ranges=False)))
    with pytest.raises(WeightsError, match=r"127\.0\.0\.1.*(broke off|ended) after \d+ of 300000 bytes"):
        fetch(wanted, quick())
    assert leftovers(cache) == ["net.pth.partial", "net.pth.partial.json"]
    server.serve("/net.pth", Answer(BODY))
    fetch(wanted, quick())
    assert server.requests[-1].sent < SIZE and leftovers(cache) == []


def test_of_an_unhashed_file_only_the_same_version_is_continued(server: Server, cache: Path) -> None:
    changed = Answer(OTHER, etag='"two"')
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY, cut=200_000), changed), body=None)
    fetch(wanted, quick())
    assert wanted.path.read_bytes() == OTHER

    nameless = entry(
        cache, server.serve("/b.pth", Answer(BODY, cut=200_000, etag=""), Answer(BODY, etag="")), body=None
    )
    wanted.path.unlink()
    store.pins_path().unlink()
    fetch(nameless, quick())
    assert server.requests[-1].range is None, "nothing says that the rest belongs to the same file"


def test_a_mixture_of_two_versions_is_fetched_again_whole(server: Server, cache: Path) -> None:
    new_tail = Answer(BODY, ignore_if_range=True)
    wanted = entry(cache, server.serve("/net.pth", Answer(OTHER, cut=200_000), new_tail, Answer(BODY)))
    fetch(wanted, quick())
    assert wanted.path.read_bytes() == BODY
    assert [request.range is None for request in server.requests] == [True, False, True]
    assert leftovers(cache) == [], "our own mixture is no evidence against the server"


def test_a_range_that_is_not_there_starts_again(server: Server, cache: Path) -> None:
    wanted = entry(cache, server.serve("/net.pth", Answer(BODY)))
    partial = wanted.path.with_name("net.pth.partial")
    partial.parent.mkdir(parents=True)
    partial.write_bytes(BODY + b"more")
    note = {"url": wanted.urls[0], "validator": '"one"', "total": None}
    partial.with_name("net.pth.partial.json").write_text(json.dumps(note))
    fetch(wanted, quick())
    assert wanted.path.read_bytes() == BODY and len(server.requests) == 2
