"""Fixtures that every kind of test shares."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray
from PIL import Image

# Where two processes share the tests (`-n 2`), threads that spin for each other would take each other's time.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# What a test says of drawn inputs is true on a busy machine too: how long drawing them took says nothing.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# A shell starts what runs in its background with Ctrl-C ignored, nohup what it runs with SIGHUP ignored, and programs
# that tests start would inherit that.
for ignored, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, usual)

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Optional data for real runs, beside the checkout; a test that needs it skips where it is absent."""
    folder = ROOT.parent / "shared"
    if not (folder / "faces").is_dir():
        pytest.skip("needs the optional ../shared data")
    return folder


@pytest.fixture(scope="session")
def astronaut() -> NDArray[np.uint8]:
    """A real face that scikit-image ships: 192x192x3 uint8."""
    from skimage import data

    picture: NDArray[np.uint8] = data.astronaut()  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(picture[0:192, 128:320])


@pytest.fixture(scope="session")
def inception_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FID's Inception, random weights: activations neither vanish nor explode; half precision spares the disk."""
    import torch

    from facesr_bench.functional.inception_network import blank

    random = torch.Generator().manual_seed(5)
    tensors = {}
    for name, tensor in blank().state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        w = torch.randn(tensor.shape, generator=random)
        if tensor.ndim > 1:
            w *= (2 / tensor[0].numel()) ** 0.5
        elif name.endswith("running_var"):
            w = 1 + 0.25 * w.tanh()
        elif name.endswith("bn.weight"):
            w = 1 + 0.2 * w
        else:
            w *= 0.1
        tensors[name] = w.half()
    path = tmp_path_factory.mktemp("inception") / "random.pth"
    torch.save(tensors, path)
    return path


@pytest.fixture
def pictures(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    """24 crops of a face, 40x40 px."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(24):
        top, left = 20 + 5 * i, 100 - 3 * i
        Image.fromarray(astronaut[top : top + 40, left : left + 40]).save(folder / f"face{i:02d}.png")
    return folder
