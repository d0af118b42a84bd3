"""Numbers of the demo under other versions of the dependencies, against the committed baselines.

    python tests/bounds.py RESULTS reports/baselines/demo-x8 [METHOD ...]

PSNR of interpolation must be the same to the last bit. Networks add floats in an order that depends on torch's version
and on the processor, so some of their values of 8 bits may differ: PSNR by less than 0.001 dB. SSIM's sums are SciPy's:
its last bits differ. Exit status 1 where a number is further off, or missing.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("numpy", "pillow", "scipy", "scikit-image", "opencv-python", "torch", "onnxruntime", "insightface")
FOR_BACKENDS = ("onnx", "onnxscript", "openvino")
"""Of extras: named where they are there."""
ALLOWED = {"psnr": 1e-3, "ssim": 1e-5}
EXACT = {"psnr": 0.0, "ssim": 1e-12}
"""Of methods without a network, whose pictures are the same."""


def lines(path: Path) -> dict[str, dict[str, object]]:
    """The lines of one image each, by its id; a baseline's first and last line are none."""
    found = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {line["id"]: line for line in found if "id" in line}


def numbers(line: dict[str, object]) -> dict[str, float]:
    metrics = line["metrics"]
    assert isinstance(metrics, dict)
    return {name: float(metrics[name]) for name in ALLOWED}


def compared(method: str, baseline: Path, results: Path) -> bool:
    """Print how far a method's numbers are from its baseline; whether that is allowed."""
    folders = [path for name in (method, f"{method} (*)") for path in results.glob(f"demo-x8/{name}/*")]  # (openvino)
    found = [path / "images.jsonl" for path in folders if path.name != "failed" and (path / "images.jsonl").exists()]
    if len(found) != 1:
        print(f"{method:18}no result")
        return False
    then, now = lines(baseline), lines(found[0])
    if then.keys() != now.keys() or any("error" in line for line in now.values()):
        print(f"{method:18}images are missing, or failed")
        return False
    gaps = {name: max(abs(numbers(now[i])[name] - numbers(then[i])[name]) for i in then) for name in ALLOWED}
    limits = ALLOWED if '"weights_sha256": "' in baseline.read_text(encoding="utf-8") else EXACT
    well = all(gap <= limits[name] for name, gap in gaps.items())
    print(
        f"{method:18}" + "   ".join(f"{name} {gap:.1e}" for name, gap in gaps.items()) + ("" if well else "   too far")
    )
    return well


def main(results: Path, baselines: Path, *methods: str) -> int:
    names = [*PACKAGES, *(name for name in FOR_BACKENDS if find_spec(name))]
    print(f"python {sys.version.split()[0]}, " + ", ".join(f"{name} {version(name)}" for name in names))
    print("largest difference from the baseline, by method:")
    paths = [baselines / f"{name}.jsonl" for name in methods] or sorted(baselines.glob("*.jsonl"))
    well = [compared(path.stem, path, results) for path in paths]
    return 0 if well and all(well) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
