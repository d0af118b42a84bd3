"""Threads decode side by side as long as their pictures are small together."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random

from facesr_bench.images.room import Room


def test_large_pictures_are_read_one_after_another_and_small_ones_side_by_side() -> None:
    room, lock = Room(100), threading.Lock()
    held, most, together = 0, 0, 0

    def read(pixels: int) -> None:
        nonlocal held, most, together
        with room.visit():
            room.take(pixels)
            with lock:
                held += pixels
                most = max(most, held)
                together = max(together, held // 20 if pixels == 20 else 0)
            time.sleep(0.01)
            with lock:
                held -= pixels

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(read, [60] * 10))
        assert most == 60
        list(pool.map(read, [20] * 40))
        assert most <= 100 and together > 1
        list(pool.map(read, [500, 20, 20]))
        assert most == 500, "one that is larger than the room is read alone"


def test_who_reads_two_pictures_never_waits_for_somebody_who_waits_for_him() -> None:
    room, random = Room(100), Random(3)
    pairs = [(random.randrange(1, 150), random.randrange(1, 150)) for _ in range(300)]

    def read(pair: tuple[int, int]) -> None:
        with room.visit():
            room.take(pair[0])
            time.sleep(0.0005)
            with room.visit():  # what reads one picture visits too
                room.take(pair[1])

    with ThreadPoolExecutor(16) as pool:
        for future in [pool.submit(read, pair) for pair in pairs]:
            future.result(timeout=60)
    with room.visit():
        room.take(100)  # nobody has left anything behind


def test_a_visit_that_fails_frees_its_room() -> None:
    room = Room(10)
    try:
        with room.visit():
            room.take(10)
            raise ValueError
    except ValueError:
        pass
    with room.visit():
        room.take(10)
