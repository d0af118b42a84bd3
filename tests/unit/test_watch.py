"""A program that is ended from within does not look well ended; signals, statuses and standard output are as ever."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="no waiting process on this system")

HEAD = "import os, signal, sys, time\nfrom facesr_bench.cli.watch import watched\n"


def _script(body: str) -> list[str]:
    indented = "\n".join(f"    {line}" for line in body.splitlines())
    return [sys.executable, "-c", f"{HEAD}def work(noisy):\n{indented}\nsys.exit(watched(work, 1))"]


def _ended(body: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(_script(body), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("return 0", 0),
        ("return 2", 2),
        ("sys.exit(3)", 3),
        ("import atexit; atexit.register(os._exit, 0); return 1", 1),
        ("os.kill(os.getpid(), signal.SIGSEGV)", -signal.SIGSEGV),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_the_status_is_that_of_the_work(body: str, status: int) -> None:
    ended = _ended(body)
    assert (ended.returncode, "ended from within" in ended.stderr) == (status, False), ended.stderr


@pytest.mark.parametrize(("body", "status"), [("os._exit(0)", 1), ("os._exit(7)", 7)])
def test_an_end_from_within_is_a_failure_that_says_so(body: str, status: int) -> None:
    ended = _ended(body)
    assert (ended.returncode, "ended from within" in ended.stderr) == (status, True)


def test_an_end_from_within_is_seen_though_a_process_of_the_plug_in_lives_on() -> None:
    started = time.monotonic()
    assert (
        _ended(
            "if os.fork() == 0: time.sleep(20)\nos._exit(0)".replace(
                "time.sleep(20)", "(os.closerange(0, 3), time.sleep(20))"
            )
        ).returncode
        == 1
    )
    assert time.monotonic() - started < 15


def _begun(body: str, **options: Any) -> subprocess.Popen[str]:
    script = _script(f"print(os.getpid(), flush=True)\n{body}")
    return subprocess.Popen(script, stdout=subprocess.PIPE, text=True, **options)


TAKING = "signal.signal(signal.{0}, lambda *_: sys.exit(9))\nprint('ready', flush=True)\ntime.sleep(30)"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_signal_to_the_program_reaches_the_work(name: str) -> None:
    with _begun(TAKING.format(name)) as process:
        assert process.stdout is not None
        process.stdout.readline(), process.stdout.readline()
        process.send_signal(signal.Signals[name])
        assert process.wait(20) == 9


def test_a_signal_that_nobody_handles_ends_the_program_as_ever() -> None:
    with _begun("print('ready', flush=True)\ntime.sleep(30)") as process:
        assert process.stdout is not None
        process.stdout.readline(), process.stdout.readline()
        process.terminate()
        assert process.wait(20) == -signal.SIGTERM


def test_what_is_ignored_stays_ignored_as_under_nohup() -> None:
    body = "print('ready', flush=True)\ntime.sleep(1)\nreturn 4"
    with _begun(body, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        assert process.stdout is not None
        process.stdout.readline(), process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        assert process.wait(20) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_the_work_dies_with_the_program() -> None:
    with _begun("time.sleep(30)") as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        process.kill()
        process.wait(20)
        for _ in range(100):
            state = Path(f"/proc/{worker}/stat")
            if not state.exists() or state.read_text().split(")")[1].split()[0] == "Z":
                return
            time.sleep(0.05)
        os.kill(worker, signal.SIGKILL)
        pytest.fail("the work lives on")


def test_control_c_in_a_terminal_is_heard_once() -> None:
    body = "n = []\nsignal.signal(signal.SIGINT, lambda *_: n.append(1))\nprint('ready', flush=True)\n"
    body += "while not n: time.sleep(0.05)\ntime.sleep(0.5)\nreturn 20 + len(n)"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, _script(body))
    told = b""
    while b"ready" not in told:
        told += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 21
    os.close(terminal)


def test_help_is_quick_and_starts_no_second_process() -> None:
    code = "import os, sys\nos.fork = None\nsys.argv = ['facesr-bench', 'run', '--help']\n"
    code += "from facesr_bench.cli import main\nmain()"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "") and "--protocols" in ended.stdout


NOISY = "from facesr_bench.cli import streams\nstreams.prepare()\nstreams.take_over(noisy)\n"


def test_what_libraries_write_past_python_has_no_escapes() -> None:
    body = "os.write(2, b'libpng warning: \\x1b[31mred\\x1b]0;title\\x07\\n'); os.write(1, b'no end: \\xff\\x9b2J')\n"
    ended = _ended(f"{NOISY}{body}print('out'); print('err', file=sys.stderr); return 3")
    assert (ended.returncode, ended.stdout) == (3, "out\n")
    assert sorted(ended.stderr.splitlines()) == [
        "err",
        "libpng warning: red\ufffd]0;title\ufffd",
        "no end: \ufffd\ufffd2J",
    ]


def test_a_progress_bar_of_a_library_is_shown_as_it_goes() -> None:
    body = "os.write(2, b'10 %\\r'); time.sleep(0.5); os.write(2, b'90 %\\r'); return 0"
    with subprocess.Popen(_script(NOISY + body), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.read(5) == b"10 %\r"
        assert process.poll() is None and process.stderr.read() == b"90 %\r"


def test_a_crash_loses_nothing_that_was_written_before() -> None:
    body = "for i in range(20000): os.write(2, b'line %d of a library that talks\\n' % i)\n"
    ended = _ended(f"{NOISY}{body}os.kill(os.getpid(), signal.SIGSEGV)")
    assert ended.returncode == -signal.SIGSEGV
    assert len(ended.stderr.splitlines()) == 20000


def test_noise_without_end_or_listener_stops_nobody() -> None:
    body = f"{NOISY}for _ in range(50): os.write(2, b'x' * 10**5)\nreturn 5"
    with subprocess.Popen(_script(body), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.read(10)
        process.stderr.close()
        assert process.wait(60) == 5


def test_whoever_the_work_leaves_behind_is_not_waited_for() -> None:
    started = time.monotonic()
    body = f"{NOISY}if os.fork() == 0: time.sleep(20); os._exit(0)\nreturn 6"
    process = subprocess.Popen(_script(body), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert process.wait(60) == 6 and time.monotonic() - started < 15
