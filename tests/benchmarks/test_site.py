"""What the site of many images costs: time, memory, bytes, and how soon the first page opens.

python -m pytest tests/benchmarks/test_site.py
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facesr_bench.base.files import file_name, replacing
from facesr_bench.functional.ssim import Ssim, SsimConvention
from facesr_bench.images.files import read_image
from facesr_bench.plugins.profile import Profile
from facesr_bench.report.maps import Mapper, encode
from facesr_bench.results.image_record import ImageRecord
from facesr_bench.results.store import Result, open_result
from tests.report_fixtures import manifest, scored, write_result

METHODS = 6
SMALL, LARGE = 200, 2000

MEASURED = """
import json, resource, sys, time
from pathlib import Path
{imports}
started = time.process_time()
{work}
print(json.dumps([time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""

BUILD = MEASURED.format(imports="from facesr_bench.report.site import build", work="build(Path(sys.argv[1]))")

EARLIER = MEASURED.format(
    imports="from tests.benchmarks.test_site import maps_as_before", work="maps_as_before(Path(sys.argv[1]))"
)
"""What the first releases of the site did for its maps alone, as their way is recorded below."""


def make(root: Path, images: int) -> None:
    """Results of `METHODS` methods on `images` pictures of 32 px, which are links to ten under names of their own."""
    random = np.random.default_rng(0)
    ids = [f"face {i:04}" for i in range(images)]
    for number in range(METHODS):
        quality = random.normal(24 + number, 2, (images, 2))
        values = {image_id: {"psnr": q[0], "ssim": q[1] / 50} for image_id, q in zip(ids, quality, strict=True)}
        card = manifest(f"method-{number}", total=images)
        result = write_result(root, card, scored(dict(list(values.items())[:10])), pictures=True, noise=5 * number)
        result = open_result(result.folder)
        for row in scored(dict(list(values.items())[10:])):
            result.append(ImageRecord(row.id, row.metrics, row.versions, ms=row.ms))
        result.close()
        link_pictures(result, ids)


def link_pictures(result: Result, ids: list[str]) -> None:
    folders = [result.folder / "sr"]
    folders += [result.inputs_folder / part for part in ("lr", "hr")]
    for i, image_id in enumerate(ids[10:], 10):
        for folder in folders:
            target = folder / f"{file_name(image_id)}.png"
            if not target.exists():
                os.link(folder / f"{file_name(ids[i % 10])}.png", target)


def maps_as_before(root: Path) -> None:
    """Every result's lines parsed five times; the truth read and prepared anew for every method; a file per map.

    The metric's own filter, and the smallest PNG that Pillow finds.
    """
    for folder in sorted(path.parent for path in root.glob("*/*/*/manifest.json")):
        result = open_result(folder)
        for _ in range(5):
            rows = result.rows()
        profile = Profile.model_validate(result.manifest.profile.model_dump(mode="json"))
        mapper = Mapper(profile, result.manifest.protocol.scale)
        mapper._ssim = Ssim(profile.convention("ssim", SsimConvention), result.manifest.protocol.scale)
        out = folder / "as-before"
        out.mkdir()
        with ThreadPoolExecutor(4) as executor:

            def one(image_id: str, result: Result = result, mapper: Mapper = mapper, out: Path = out) -> None:
                hr = read_image(result.inputs_folder / "hr" / f"{file_name(image_id)}.png")
                maps = mapper.maps(read_image(result.sr_path(image_id)), mapper.reference(hr))
                codes = np.concatenate([encode(values, 128.0) for values in maps.values()])
                stream = io.BytesIO()
                Image.fromarray(codes).save(stream, format="PNG", compress_level=6)
                with replacing(out / f"{file_name(image_id)}.js") as partial:
                    partial.write_bytes(base64.b64encode(stream.getvalue()))

            list(executor.map(one, rows))
        shutil.rmtree(out)


def build(root: Path, script: str = BUILD) -> tuple[float, float]:
    """(processor seconds, peak resident MiB) in a process of its own."""
    done = subprocess.run([sys.executable, "-c", script, str(root)], check=True, capture_output=True, text=True)
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return float(seconds), float(peak)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("large")
    make(root, LARGE)
    return root


def test_memory_hardly_grows_and_a_rebuild_is_quick(benchmark: Any, tmp_path: Path, large: Path) -> None:
    make(tmp_path, SMALL)
    found: dict[str, tuple[float, float]] = {}

    def measure() -> None:
        found["small"] = build(tmp_path)
        found["large"] = build(large)
        found["again"] = build(large)
        found["earlier"] = build(large, EARLIER)

    benchmark.pedantic(measure, rounds=1)
    own = [p for folder, _, names in os.walk(large / "site") for p in (Path(folder) / name for name in names)]
    size = sum(path.stat().st_size for path in own) / 2**20
    benchmark.extra_info.update({f"{k}: seconds, MiB": v for k, v in found.items()}, files=len(own), mib=size)
    print(found, f"{len(own)} files, {size:.0f} MiB", f"index {(large / 'index.html').stat().st_size / 1024:.0f} KiB")
    assert found["large"][1] <= 1.5 * found["small"][1], "ten times the images"
    assert found["again"][0] <= 0.5 * found["large"][0]
    assert found["large"][0] <= 0.6 * found["earlier"][0], "all of the site costs less than its maps alone did"
    assert (large / "index.html").stat().st_size < 300_000


def test_the_first_page_opens_at_once(benchmark: Any, large: Path) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium")
    if not (large / "index.html").is_file():
        build(large)
    times: dict[str, float] = {}
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto("about:blank")
        board = next((large / "site/boards").glob("*/*"))
        pages = {"index": large / "index.html", "gallery": board / "1.html", "image": board / "image.html"}

        def measure() -> None:
            for name, path in pages.items():
                started = time.perf_counter()
                page.goto(path.as_uri())
                times[name] = min(times.get(name, 1e9), time.perf_counter() - started)

        benchmark.pedantic(measure, rounds=3)
        browser.close()
    benchmark.extra_info["seconds until loaded"] = times
    print(times)
    assert times["index"] < 3, times


def test_pictures_of_usual_size(benchmark: Any, tmp_path: Path) -> None:
    """Milliseconds and bytes of one error map file of a 128 px picture: the price of each image of each method."""
    random = np.random.default_rng(0)
    values = {f"{i}": {"psnr": 20.0, "ssim": 0.5} for i in range(50)}
    result = write_result(tmp_path, manifest(total=50), scored(values), pictures=True)
    for i in range(50):
        name = f"{i}.png"
        hr = np.clip(random.normal(128, 40, (16, 16, 3)), 0, 255).astype(np.uint8)
        big = Image.fromarray(hr).resize((128, 128), Image.Resampling.BICUBIC)
        big.save(result.inputs_folder / "hr" / name)
        big.resize((16, 16), Image.Resampling.BICUBIC).resize((128, 128)).save(result.folder / "sr" / name)
    seconds = benchmark.pedantic(lambda: build(tmp_path), rounds=1)[0]
    files = [path for path in (tmp_path / "site").rglob("maps/*/*") if path.suffix in {".js", ".png"}]
    each = sum(path.stat().st_size for path in files) / 50
    benchmark.extra_info.update({"seconds for 50": seconds, "bytes each": each})
    print(f"{seconds:.2f} s for 50 images, {each / 1024:.1f} KiB each")
    assert each < 40_000
