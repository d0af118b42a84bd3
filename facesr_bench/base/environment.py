"""Where a number came from: fingerprints and the environment."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "numpy", "pillow", "scikit-image", "scipy", "opencv-python")


@cache
def package_version(name: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def _commit() -> tuple[str | None, bool | None]:
    """(commit, has uncommitted changes) of the checkout that runs; None for an installed package."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None, None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def environment(device: str) -> dict[str, Any]:
    """What a manifest says of the machine and the packages."""
    commit, dirty = _commit()
    record: dict[str, Any] = {
        "facesr_bench": package_version("facesr-bench"),
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := package_version(name))},
        "platform": platform.platform(),
        "device": device,
        "threads": None,
    }
    if "torch" in sys.modules:
        import torch

        record["threads"] = torch.get_num_threads()
        if device.startswith("cuda"):
            record["device"] = f"{device} ({torch.cuda.get_device_name(device)})"
    return record


def program() -> list[str]:
    """How the running command was begun: `facesr-bench`, or `python -m facesr_bench` where it is not installed."""
    name = Path(sys.argv[0]).name or "python"
    return ["python", "-m", "facesr_bench"] if name == "__main__.py" else [name]


def command_line() -> str:
    """The command that is running, ready to be pasted into a shell."""
    return shlex.join([*program(), *sys.argv[1:]])
