"""Where the time of a run goes."""

from __future__ import annotations

import threading
import time

from rich.console import Console

from facesr_bench.base.stages import active, measured, stage
from facesr_bench.report.tables.stages import print_profile


def test_a_stage_counts_for_itself_alone_in_every_thread() -> None:
    def work() -> None:
        with stage("outer"):
            time.sleep(0.02)
            with stage("inner"):
                time.sleep(0.05)

    with measured() as stages:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert stages.calls == {"inner": 2, "outer": 2}
    assert stages.seconds["inner"] >= 0.1
    taken = stages.take()
    assert set(taken) == {"inner", "outer"} and stages.take() == {}
    stages.add_all(taken)
    stages.add_all(taken)
    assert stages.calls["inner"] == 4 and stages.seconds["inner"] == 2 * taken["inner"][0]


def test_nothing_is_measured_that_nobody_asked_for() -> None:
    with measured(False) as stages, stage("anything"):
        assert active() is None
    assert stages.seconds == {}
    begun = time.perf_counter()
    for _ in range(10_000):
        with stage("anything"):
            pass
    assert (time.perf_counter() - begun) / 10_000 < 50e-6, "an image costs milliseconds, and has about ten stages"


def test_the_table_has_the_longest_stage_first_and_what_is_left() -> None:
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    print_profile(4.0, {"decode": (0.5, 10), "forward": (3.0, 2)}, console)
    lines = console.export_text().splitlines()
    assert lines[0] == "4.00 s; 0.50 s in no stage"
    assert lines[2].split() == ["forward", "3.00", "75.0%", "2", "1500.00"]
    assert lines[3].split() == ["decode", "0.50", "12.5%", "10", "50.00"]
    print_profile(1.0, {"forward": (1.9, 2)}, console)
    assert "several threads or processes" in console.export_text()
