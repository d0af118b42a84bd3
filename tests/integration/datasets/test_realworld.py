"""Low-quality pictures of the real world, without ground truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesr_bench.data import protocols
from facesr_bench.images.files import write_png
from facesr_bench.images.resize import resize
from tests.integration.datasets.reading import problem, samples


def test_low_quality_only(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    face = resize(astronaut, (512, 512))
    write_png(tmp_path / "a.png", face)
    for name in protocols.protocol_names():
        plugin, protocol = protocols.find_protocol(name)
        if plugin.name == "realworld":
            (sample,) = samples(name, tmp_path)
            assert (sample.id, sample.hr, protocol.aligned) == ("a", None, "ffhq")
            assert not {"psnr", "ssim", "lpips"} & set(protocol.metrics), "nothing that needs a reference"
            np.testing.assert_array_equal(sample.lr, face)


def test_wrong_size(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    write_png(tmp_path / "a.png", astronaut)
    assert problem("realworld-lq", tmp_path) == "LR is 192x192; protocol realworld-lq wants 512x512"


def test_real_ones(shared: Path) -> None:
    found = samples("realworld-lq", shared / "faces" / "realworld_lq")
    assert len(found) == 24
    assert all(sample.lr.shape == (512, 512, 3) and sample.hr is None for sample in found)
