"""Error maps: they are what PSNR and SSIM average, they lie where they belong, and they are made once."""

from __future__ import annotations

import base64
import io
import json
import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facesr_bench.api import score
from facesr_bench.functional.ssim import Ssim, SsimConvention
from facesr_bench.images.files import read_image
from facesr_bench.images.integrity import why_not_whole
from facesr_bench.images.maps import gray_png, read_map, write_map
from facesr_bench.plugins.profile import get_profile, profiles
from facesr_bench.report import site
from facesr_bench.report.maps import ERROR, NO_VALUE, STRUCTURE, Mapper, coloured, encode, pooled
from facesr_bench.results.store import Result
from tests.report_fixtures import LPIPS, PSNR, SSIM, drawing, manifest, scored, write_result

IDS = ("face 1", "face 2", "face 10")


def pair(side: int = 64) -> tuple[Any, Any]:
    sr, hr = drawing(1, side), drawing(2, side)
    return sr, hr


@pytest.mark.parametrize("name", sorted(set(profiles()) - {"vqfr"}))
def test_maps_average_to_the_scores(name: str) -> None:
    sr, hr = pair()
    mapper = Mapper(get_profile(name), 8)
    maps = mapper.maps(sr, mapper.reference(hr))
    expected = score(sr, hr, profile=name, scale=8)
    mean_square = np.nanmean(np.square(maps["error"]))
    assert 10 * math.log10(255**2 / mean_square) == pytest.approx(expected["psnr"], abs=1e-6)
    assert 1 - np.nanmean(maps["ssim"]) == pytest.approx(expected["ssim"], abs=1e-9)


@pytest.mark.parametrize("name", sorted(set(profiles()) - {"vqfr"}))
def test_the_quicker_filter_of_maps_changes_no_colour(name: str, astronaut: Any) -> None:
    """OpenCV's and the metric's own differ where no level of a map tells them apart."""
    hr = np.ascontiguousarray(astronaut[:192, :192])
    sr = np.asarray(Image.fromarray(hr).resize((24, 24), Image.Resampling.BICUBIC).resize((192, 192)))
    profile = get_profile(name)
    quick = Mapper(profile, 8).maps(sr, Mapper(profile, 8).reference(hr))[STRUCTURE.name]
    metric = Ssim(profile.convention("ssim", SsimConvention), 8)
    own = 1 - metric.map(sr, metric.prepare(hr))
    there = ~np.isnan(quick)
    assert there.sum() == own.size and np.abs(quick[there] - own.ravel()).max() < 1e-10
    levels, expected = (encode(values.reshape(own.shape), STRUCTURE.top) for values in (quick[there], own))
    assert np.array_equal(levels, expected) and len(np.unique(levels)) > 20
    pictures = [coloured(values.reshape(own.shape), STRUCTURE.end) for values in (quick[there], own)]
    assert pictures[0] == pictures[1]


def test_a_gray_png_holds_its_levels() -> None:
    random = np.random.default_rng(0)
    for shape in ((1, 1), (1, 7), (5, 1), (64, 48)):
        levels = random.integers(0, 256, shape).astype(np.uint8)
        data = gray_png(levels)
        assert why_not_whole(data) is None
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.mode == "L" and np.array_equal(np.asarray(picture), levels)


@pytest.mark.parametrize("name", sorted(set(profiles()) - {"vqfr"}))
def test_pictures_in_a_column_have_the_maps_of_each_alone(name: str) -> None:
    mapper = Mapper(get_profile(name), 8)
    if not mapper.stacks:
        return  # what a border or a picture's statistics decide can't be stacked
    srs, hrs = [drawing(i, 48) for i in (1, 2, 3)], [drawing(i, 48) for i in (4, 5, 6)]
    column = mapper.stacked(np.concatenate(srs), mapper.reference(np.concatenate(hrs)), 3)
    for found, sr, hr in zip(column, srs, hrs, strict=True):
        alone = mapper.maps(sr, mapper.reference(hr))
        assert found.keys() == alone.keys()
        assert all(np.array_equal(found[kind], alone[kind], equal_nan=True) for kind in alone)


def test_profiles_without_borders_take_columns() -> None:
    assert Mapper(get_profile("sparnet"), 8).stacks and not Mapper(get_profile("dic"), 8).stacks


def test_what_a_profile_leaves_out_has_no_value() -> None:
    sr, hr = pair()
    mapper = Mapper(get_profile("dic"), 8)  # 8 px of border, a window of 11 px
    maps = mapper.maps(sr, mapper.reference(hr))
    for kind, margin in (("error", 8), ("ssim", 8 + 5)):
        inside = np.zeros((64, 64), bool)
        inside[margin:-margin, margin:-margin] = True
        assert np.array_equal(np.isfinite(maps[kind]), inside), kind


def test_a_map_shows_the_place_of_an_error() -> None:
    hr = np.full((64, 64, 3), 100, np.uint8)
    sr = hr.copy()
    sr[20, 40] = 140
    mapper = Mapper(get_profile("basicsr-rgb"), 8)
    maps = mapper.maps(sr, mapper.reference(hr))
    assert np.argwhere(maps["error"] > 0).tolist() == [[20, 40]] and maps["error"][20, 40] == 40
    rows, columns = np.nonzero(np.nan_to_num(maps["ssim"]) > 1e-9)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15, 25, 35, 45), "the window of 11 px around it"


def test_profiles_that_average_blocks_keep_the_place() -> None:
    hr = np.full((512, 512, 3), 100, np.uint8)
    sr = hr.copy()
    sr[100:104, 300:304] = 255
    mapper = Mapper(get_profile("piq"), 8)
    found = np.nan_to_num(mapper.maps(sr, mapper.reference(hr))["ssim"])
    rows, columns = np.nonzero(found > 1e-6)
    assert abs((rows.min() + rows.max()) / 2 - 101.5) <= 2 and abs((columns.min() + columns.max()) / 2 - 301.5) <= 2


def decode(codes: NDArray[np.uint8], top: float) -> NDArray[np.float64]:
    """As the site's script does it."""
    return np.where(codes == NO_VALUE, np.nan, top * np.square(codes / 63))


def test_codes_are_close_and_keep_gaps() -> None:
    values = np.array([[0.0, 0.01, 0.5], [1.0, 7.0, np.nan]])
    codes = encode(values, 1.0)
    assert codes.max() == NO_VALUE and codes[0, 0] == 0 and codes[1, 0] == codes[1, 1] == 63
    back = decode(codes, 1.0)
    assert np.isnan(back[1, 2])
    many = np.linspace(0, 1, 10_001)[None]
    off = np.abs(decode(encode(many, 1.0), 1.0) - many)
    assert off.max() <= 1 / 63 and off[many < 0.04].max() <= 0.2 / 63 + 1e-4, "finer near zero"


def test_large_maps_are_averaged_over_blocks() -> None:
    values = np.arange(36.0).reshape(6, 6)
    values[0, 0] = np.nan
    small = pooled(values, 3)
    assert small.shape == (3, 3)
    assert small[0, 0] == np.mean([1, 6, 7]) and small[2, 2] == np.mean([28, 29, 34, 35])
    assert pooled(values, 6) is values
    assert pooled(np.ones((5, 7)), 4).shape == (3, 4), "what is left over at the edges is kept"


# -- on the site -------------------------------------------------------------------------------------------------------


def read_script(path: Path, place: int = 0) -> dict[str, NDArray[np.uint8]]:
    """Kind -> codes, of one of the images in a script."""
    data = json.loads(re.fullmatch(r"facesr\.map\((.*)\);\n", path.read_text())[1])  # type: ignore[index]
    with Image.open(io.BytesIO(base64.b64decode(data["png"]))) as picture:
        codes = np.asarray(picture).reshape(len(data["kinds"]), data["count"], data["height"], data["width"])
    return {kind: codes[data["kinds"].index(kind), place] for kind in data["has"][place]}


def results(root: Path, *labels: str, ids: tuple[str, ...] = IDS) -> list[Result]:
    values = {image_id: {"psnr": 20.0, "ssim": 0.5} for image_id in ids}
    return [write_result(root, manifest(label, total=len(ids)), scored(values), pictures=True) for label in labels]


def board(root: Path) -> Path:
    return root / "site/boards/toy-x8/sparnet"


def maps_of(result: Result, image_id: str) -> dict[str, NDArray[np.float64]]:
    mapper = Mapper(get_profile("basicsr-rgb"), 8)  # what the fixture's profile says
    hr = read_image(result.inputs_folder / "hr" / result.sr_path(image_id).name)
    return mapper.maps(read_image(result.sr_path(image_id)), mapper.reference(hr))


def test_the_site_holds_the_maps_of_every_image_and_their_mean(tmp_path: Path) -> None:
    (result,) = results(tmp_path, "bicubic")
    site.build(tmp_path)
    maps = {image_id: maps_of(result, image_id) for image_id in IDS}
    for place, image_id in enumerate(IDS):
        found = read_script(board(tmp_path) / "maps/bicubic/0.js", place)
        with Image.open(board(tmp_path) / "maps/bicubic/0.png") as picture:
            index = np.asarray(picture)[32 * place : 32 * (place + 1)]
        assert np.abs(index - 254 * np.clip(maps[image_id]["error"] / ERROR.end, 0, 1)).max() <= 0.5
        assert np.array_equal(found["error"], encode(maps[image_id]["error"], ERROR.top))
        assert np.array_equal(found["ssim"], encode(maps[image_id]["ssim"], STRUCTURE.top))
    mean = np.mean([maps[image_id]["ssim"] for image_id in IDS], axis=0)
    root_mean = np.sqrt(np.mean([np.square(maps[image_id]["error"]) for image_id in IDS], axis=0))
    found = read_script(board(tmp_path) / "means/bicubic.js")
    for kind, expected in (("ssim", mean), ("error", root_mean)):
        assert np.array_equal(found[kind], encode(expected, np.nanmax(expected))), kind
    with Image.open(board(tmp_path) / "means/bicubic-0.png") as picture:
        index = np.asarray(picture)
    assert index.argmax() == root_mean.argmax() and index.max() == 254


def test_a_rebuild_makes_only_what_has_changed(tmp_path: Path) -> None:
    one, _ = results(tmp_path, "one", "two")
    site.build(tmp_path)

    def times() -> dict[str, int]:
        found = [*board(tmp_path).glob("maps/*/*.js"), *board(tmp_path).glob("maps/*/*.png")]
        return {p.relative_to(tmp_path).as_posix(): p.stat().st_mtime_ns for p in found}

    means = (board(tmp_path) / "means/one.js").read_bytes()
    before = times()
    assert len(before) == 2 * 2
    site.build(tmp_path)
    assert times() == before, "nothing has changed"
    results(tmp_path, "three")
    site.build(tmp_path)
    assert {k: v for k, v in times().items() if "three" not in k} == before, "a new method leaves the others' alone"

    stale = one.sr_path("face 1")
    stale.write_bytes(one.sr_path("face 2").read_bytes())
    os.utime(stale, ns=(1, 1))
    site.build(tmp_path)
    changed = {name for name, when in times().items() if before.get(name, when) != when}
    names = {"site/boards/toy-x8/sparnet/maps/one/0.js", "site/boards/toy-x8/sparnet/maps/one/0.png"}
    assert changed == names, "an unchanged file is not written"
    assert (board(tmp_path) / "means/one.js").read_bytes() != means


def test_added_images_give_the_means_of_a_fresh_build(tmp_path: Path) -> None:
    for root, steps in ((tmp_path / "a", (IDS[:2], IDS)), (tmp_path / "b", (IDS,))):
        for ids in steps:
            results(root, "bicubic", ids=ids)
            site.build(root)
    grown, fresh = (read_script(board(root) / "means/bicubic.js") for root in (tmp_path / "a", tmp_path / "b"))
    assert all(np.array_equal(grown[kind], fresh[kind]) for kind in ("error", "ssim"))


def test_maps_that_a_metric_has_kept_are_shown(tmp_path: Path) -> None:
    metrics = {"psnr": PSNR, "ssim": SSIM, "lpips": LPIPS}
    values = {"a": {"psnr": 20.0, "ssim": 0.5, "lpips": 0.25}}
    result = write_result(tmp_path, manifest(metrics=metrics, total=1), scored(values), pictures=True)
    kept = np.linspace(0, 0.5, 32 * 32, dtype=np.float32).reshape(32, 32)
    path = result.metric_map_path("lpips", "a")
    path.parent.mkdir(parents=True)
    write_map(path, kept)
    site.build(tmp_path)
    found = read_script(board(tmp_path) / "maps/bicubic/0.js")
    assert np.array_equal(found["map:lpips"], encode(read_map(path).astype(float), 1.0))
    assert '"title":"LPIPS"' in (board(tmp_path) / "data.js").read_text()


def test_maps_of_results_that_are_gone_go_too(tmp_path: Path) -> None:
    one, two = results(tmp_path, "one", "two")
    site.build(tmp_path)
    for path in sorted(two.folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    site.build(tmp_path)
    assert (board(tmp_path) / "maps/one").is_dir() and not (board(tmp_path) / "maps/two").exists()
    assert one.sr_path("face 1").is_file(), "only what the site has made is removed"


def test_pictures_that_cannot_be_read_cost_their_own_maps(tmp_path: Path) -> None:
    (result,) = results(tmp_path, "bicubic")
    result.sr_path("face 1").write_bytes(b"torn")
    site.build(tmp_path)
    found = [set(read_script(board(tmp_path) / "maps/bicubic/0.js", place)) for place in range(3)]
    assert found == [set(), {"error", "ssim"}, {"error", "ssim"}]
    assert '"PSNR map of bicubic on face 1"' not in (board(tmp_path) / "1.html").read_text()
