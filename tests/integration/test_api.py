"""What a notebook calls, with the mistakes that notebooks make."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import facesr_bench
from facesr_bench.base.errors import FaceSRBenchError, MethodError


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"methods": "bicubic"}, r"methods must be a list of names, such as \['bicubic'\]"),
        ({"protocols": "folder-x8"}, "protocols must be a list"),
        ({"metrics": "psnr"}, "metrics must be a list"),
        ({"resume": "newer"}, "only-missing, never, always"),
        ({"device": "gpu"}, "auto, cpu, cuda"),
    ],
)
def test_run_refuses_what_it_would_misread(faces: Path, tmp_path: Path, given: dict[str, Any], message: str) -> None:
    call: dict[str, Any] = {"methods": ["bicubic"], "protocols": ["folder-x8"], "data": {"folder": faces}, **given}
    with pytest.raises(FaceSRBenchError, match=message):
        facesr_bench.run(**call, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["bicubic", "nearest"])
def test_enhance_refuses_what_is_not_rgb8(name: str, astronaut: NDArray[np.uint8]) -> None:
    """A float image in [0, 1] would come out black."""
    method = facesr_bench.load_method(name, device="auto")
    lr = np.ascontiguousarray(astronaut[:16, :16])
    assert method.enhance(lr).shape == (128, 128, 3)
    wrongs: list[Any] = [lr / 255, lr[:, :, 0], np.dstack([lr, lr])[:, :, :4]]
    for wrong in wrongs:
        with pytest.raises(MethodError, match="HxWx3 uint8 RGB image, not 16x16"):
            method.enhance(wrong)
    with pytest.raises(FaceSRBenchError, match="auto, cpu, cuda"):
        facesr_bench.load_method(name, device="gpu")
