"""Every profile against formulas written down separately, and the steps before them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
import skimage.metrics
from numpy.typing import NDArray
from pydantic import BaseModel

from facesr_bench.api import score
from facesr_bench.base.errors import CardError, MetricError
from facesr_bench.base.schema1 import FLAT_PROFILE, nested_profile
from facesr_bench.base.toml import read_toml
from facesr_bench.functional import channels
from facesr_bench.functional.psnr import PsnrConvention
from facesr_bench.functional.ssim import SsimConvention
from facesr_bench.images import quantise
from facesr_bench.images.files import Image8
from facesr_bench.images.quantise import Quantise
from facesr_bench.images.resize import resize
from facesr_bench.plugins.convention import FaceConvention, PixelConvention
from facesr_bench.plugins.profile import FOLDER, Profile, get_profile, profiles
from facesr_bench.plugins.registry import metrics

Array = NDArray[Any]
Scores = tuple[float, float]

SKIMAGE: Any = skimage  # it has no types

NAMES = {
    "sparnet",
    "dic",
    "dic-fixed",
    "sfmnet",
    "mmagic-dic",
    "basicsr-rgb",
    "basicsr-y",
    "skimage",
    "vqfr",
    "pyiqa-y",
    "pyiqa-ycbcr",
    "piq",
    "pmrf",
}


def y_limited(rgb: Array) -> Array:
    return np.asarray(16 + rgb.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255)


def y_full(rgb: Array) -> Array:
    return np.asarray(0.299 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2])


def cut(image: Array, border: int) -> Array:
    return image[border:-border, border:-border]


def psnr(hr: Array, sr: Array) -> float:
    return float(SKIMAGE.metrics.peak_signal_noise_ratio(hr.astype(np.float64), sr.astype(np.float64), data_range=255))


def ssim_gaussian(hr: Array, sr: Array) -> float:
    axis = -1 if hr.ndim == 3 else None
    return float(
        SKIMAGE.metrics.structural_similarity(
            hr.astype(np.float64),
            sr.astype(np.float64),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=axis,
        )
    )


def ssim_uniform(hr: Array, sr: Array) -> float:
    axis = -1 if hr.ndim == 3 else None
    return float(SKIMAGE.metrics.structural_similarity(hr, sr, data_range=255, channel_axis=axis))


def ssim_filter2d(hr: Array, sr: Array, *, clip: bool = False) -> float:
    """Wang's formula with a full 11x11 window, its valid part, channel by channel."""
    kernel = cv2.getGaussianKernel(11, 1.5)

    def blur(plane: Array) -> Array:
        return cut(np.asarray(cv2.filter2D(plane, -1, kernel @ kernel.T)), 5)

    values = []
    for channel in range(hr.shape[2] if hr.ndim == 3 else 1):
        x, y = (np.ascontiguousarray(i.reshape(*i.shape[:2], -1)[..., channel], np.float64) for i in (hr, sr))
        mx, my = blur(x), blur(y)
        vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
        structure = (2 * cov + 58.5225) / (vx + vy + 58.5225)
        structure = np.where(structure < 0, 0, structure) if clip else structure
        values.append(np.mean((2 * mx * my + 6.5025) / (mx**2 + my**2 + 6.5025) * structure))
    return float(np.mean(values))


def of_sparnet(hr: Image8, sr: Image8) -> Scores:
    y, z = (np.floor(y_limited(i)).astype(np.uint8) for i in (hr, sr))
    return psnr(y, z), ssim_gaussian(y, z)


def of_dic(hr: Image8, sr: Image8) -> Scores:
    y, z = (cut(np.rint(y_limited(i)).astype(np.uint8), 8) * np.uint8(255) for i in (hr, sr))
    return psnr(y, z), ssim_filter2d(y, z)


def of_dic_fixed(hr: Image8, sr: Image8) -> Scores:
    y, z = (cut(np.rint(y_limited(i)), 8) for i in (hr, sr))
    return psnr(y, z), ssim_gaussian(y, z)


def of_sfmnet(hr: Image8, sr: Image8) -> Scores:
    y, z = (cut(np.rint(y_limited(i)).astype(np.uint8), 8) for i in (hr, sr))
    return psnr(y, z), ssim_uniform(y, z)


def of_mmagic_dic(hr: Image8, sr: Image8) -> Scores:
    return psnr(cut(hr, 8), cut(sr, 8)), ssim_filter2d(cut(hr, 8), cut(sr, 8))


def of_basicsr_rgb(hr: Image8, sr: Image8) -> Scores:
    return psnr(hr, sr), ssim_gaussian(hr, sr)


def of_basicsr_y(hr: Image8, sr: Image8) -> Scores:
    return psnr(y_limited(hr), y_limited(sr)), ssim_gaussian(y_limited(hr), y_limited(sr))


def of_skimage(hr: Image8, sr: Image8) -> Scores:
    return psnr(hr, sr), ssim_uniform(hr, sr)


def of_vqfr(hr: Image8, sr: Image8) -> Scores:
    """Shift, then divide by the deviation (which moves the mean again), both twice, as the script does."""
    x, y = hr / 255, sr / 255
    for channel in range(3):
        target = x[..., channel]
        for _ in range(2):
            y[..., channel] += target.mean() - y[..., channel].mean()
            y[..., channel] *= target.std() / y[..., channel].std()
    # After its last step the script's mean is off by a factor of 1, so shifting once more changes nothing.
    return psnr(x * 255, y * 255), ssim_filter2d(x * 255, y * 255)


def of_pyiqa_y(hr: Image8, sr: Image8) -> Scores:
    error = np.mean((y_full(hr / 255) - y_full(sr / 255)) ** 2)
    return float(10 * np.log10(1 / (error + 1e-8))), ssim_filter2d(np.rint(y_full(hr)), np.rint(y_full(sr)), clip=True)


def of_pyiqa_ycbcr(hr: Image8, sr: Image8) -> Scores:
    error = np.mean(((y_limited(hr) - y_limited(sr)) / 255) ** 2)
    rounded = np.rint(y_limited(hr)), np.rint(y_limited(sr))
    return float(10 * np.log10(1 / (error + 1e-8))), ssim_filter2d(*rounded, clip=True)


def of_pmrf(hr: Image8, sr: Image8) -> Scores:
    error = np.mean((hr / 255 - sr / 255) ** 2)
    return float(10 * np.log10(1 / (error + 1e-8))), ssim_filter2d(hr, sr)


def of_piq(hr: Image8, sr: Image8) -> Scores:
    torch = pytest.importorskip("torch")
    factor = max(1, round(min(hr.shape[:2]) / 256))
    x, y = (torch.from_numpy(i.astype(np.float64)).permute(2, 0, 1) for i in (hr, sr))
    pooled = [torch.nn.functional.avg_pool2d(i[None], factor)[0].permute(1, 2, 0).numpy() for i in (x, y)]
    error = float(torch.mean((x / 255 - y / 255) ** 2))
    return float(-10 * np.log10(error + 1e-8)), ssim_gaussian(pooled[0], pooled[1])


INDEPENDENT: dict[str, Callable[[Image8, Image8], Scores]] = {
    "sparnet": of_sparnet,
    "dic": of_dic,
    "dic-fixed": of_dic_fixed,
    "sfmnet": of_sfmnet,
    "mmagic-dic": of_mmagic_dic,
    "basicsr-rgb": of_basicsr_rgb,
    "basicsr-y": of_basicsr_y,
    "skimage": of_skimage,
    "vqfr": of_vqfr,
    "pyiqa-y": of_pyiqa_y,
    "pyiqa-ycbcr": of_pyiqa_ycbcr,
    "pmrf": of_pmrf,
    "piq": of_piq,
}


@pytest.fixture(scope="module")
def pairs(astronaut: Image8) -> dict[str, tuple[Image8, Image8]]:
    """(HR, SR): a face at x8, a whole picture at x8 with sides of 512 and 500 px, and a face against noise."""
    face = resize(astronaut, (128, 128))
    picture = np.ascontiguousarray(SKIMAGE.data.astronaut()[:, :500])
    noise = np.random.default_rng(0).integers(0, 256, face.shape, np.uint8)
    return {
        "face": (face, resize(resize(face, (16, 16)), (128, 128))),
        "picture": (picture, resize(resize(picture, (64, 62)), (512, 500))),
        "noise": (face, noise),
    }


@pytest.mark.parametrize("pair", ["face", "picture", "noise"])
@pytest.mark.parametrize("profile", sorted(NAMES))
def test_profile_agrees_with_independent_formulas(
    pairs: dict[str, tuple[Image8, Image8]], profile: str, pair: str
) -> None:
    hr, sr = pairs[pair]
    expected = INDEPENDENT[profile](hr, sr)
    values = score(sr, hr, profile=profile, scale=8)
    assert values["psnr"] == pytest.approx(expected[0], abs=1e-6)
    assert values["ssim"] == pytest.approx(expected[1], abs=1e-6)


def test_no_two_profiles_give_the_same_numbers(pairs: dict[str, tuple[Image8, Image8]]) -> None:
    """Or one of them would be no convention of its own. At x8 and 512 px, where borders and pooling show."""
    hr, sr = pairs["picture"]
    seen = {tuple(round(v, 7) for v in score(sr, hr, profile=name).values()) for name in NAMES}
    assert len(seen) == len(NAMES)


def test_every_profile_is_there_and_documented() -> None:
    assert set(profiles()) == NAMES
    for name, profile in profiles().items():
        assert profile.name == name
        assert re.fullmatch(r"[^.].{20,}\.", profile.summary), name
        assert profile.source, name
        for source in profile.source:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[\w.]+:[\w./-]+:[\w,-]+", source), source


def test_border_follows_the_scale_only_where_it_says_so() -> None:
    assert [get_profile("dic").pixels.border_px(scale) for scale in (2, 8)] == [2, 8]
    assert [get_profile("sfmnet").pixels.border_px(scale) for scale in (2, 8)] == [8, 8]
    assert get_profile("sparnet").pixels.border_px(8) == 0


def test_unknown_profile_suggests_one() -> None:
    with pytest.raises(MetricError, match="no profile is called 'sparnett'; did you mean 'sparnet'"):
        get_profile("sparnett")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ssim": {"size": 8}}, r"ssim: size must be odd"),
        ({"ssim": {"size": 1}}, r"ssim\.size: .*greater than or equal to 3"),
        ({"ssim": {"sigma": 0.0}}, r"ssim\.sigma: .*greater than 0"),
        ({"pixels": {"channel": "rgb", "border": -1}}, r"pixels\.border.*greater than or equal to 0"),
        ({"pixels": {"channel": "rgb", "border": "half"}}, "scale"),
        ({"pixels": {"channel": "rgb", "luma_rounding": "floor"}}, "pixels: .*means nothing with channel rgb"),
        ({"psnr": {"luma_rounding": "round"}}, "psnr: .*means nothing with channel rgb"),
        ({"ssim": {"negative": True}}, "channel y-bt601"),
        ({"pixels": {"chanel": "rgb"}}, r"pixels\.chanel: unknown field; did you mean 'channel'"),
        ({"ssim": {"windw": "uniform"}}, r"ssim\.windw: unknown field; did you mean 'window'"),
        ({"sism": {"size": 9}}, r"no table of a profile is called 'sism'; did you mean 'ssim'"),
        ({"identity-degrees": {"alignment": "each"}}, r"no table .* 'identity-degrees'; did you mean 'identity'"),
        ({"quantize": "round"}, "no field of a profile is called 'quantize'; did you mean 'quantise'"),
        ({"ssim_size": 9}, r"ssim_size is `size` in the table \[ssim\] now"),
        ({"size": 9}, r"size stands outside the tables: it is `size` of the table"),
    ],
)
def test_profile_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"name": "mine", "summary": "Mine.", "quantise": "round", "pixels": {"channel": "rgb"}}
    assert written(tmp_path, good).source == ("mine.toml",)
    with pytest.raises(CardError, match=message):
        written(tmp_path, good | changes)


def written(folder: Path, profile: dict[str, Any]) -> Profile:
    """A profile as it is read from a user's file."""
    file = folder / "mine.toml"
    fields = [f"{k} = {_toml(v)}" for k, v in profile.items() if not isinstance(v, dict)]
    for table, values in profile.items():
        if isinstance(values, dict):
            fields += [f"[{table}]", *(f"{k} = {_toml(v)}" for k, v in values.items())]
    file.write_text("\n".join(fields))
    return get_profile(str(file))


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def test_a_file_of_the_flat_form_is_read_as_the_tables_it_means(tmp_path: Path) -> None:
    """The form of the first release: one table, named like the profile, with the fields of all metrics."""
    old = {"summary": "Mine.", "quantise": "round", "channel": "y-full", "luma_rounding": "round", "border": 4}
    old |= {"psnr_luma_rounding": "none", "ssim_size": 11, "lpips_size": 64, "face_detector": "yunet"}
    profile = written(tmp_path, {"mine": old})
    assert profile.canonical() == {
        "name": "mine",
        "summary": "Mine.",
        "source": ["mine.toml"],
        "quantise": "round",
        "pixels": {"channel": "y-full", "luma_rounding": "round", "border": 4},
        "faces": {"detector": "yunet"},
        "psnr": {"luma_rounding": "none"},
        "lpips": {"size": 64},
    }
    with pytest.raises(CardError, match="no field of a profile is called 'chanel'; did you mean 'channel'"):
        written(tmp_path, {"mine": {"summary": "Mine.", "quantise": "round", "chanel": "rgb"}})


def test_tables_of_the_first_release_are_those_of_today() -> None:
    """Old manifests hold every field of the flat form; what they mean is what today's files say."""
    defaults = {key: default for key, (_, _, default) in FLAT_PROFILE.items()}
    flat = {"name": "dic", "summary": "", "source": [], "quantise": "round", **defaults, "channel": "y-bt601"}
    flat |= {"luma_rounding": "round", "border": "scale", "ssim_negative": True, "nme_normaliser": "dic"}
    flat |= {"nme_average": "rms"}
    today = {**get_profile("dic").canonical(), "summary": "", "source": []}
    assert nested_profile(flat) == today and nested_profile(today) == today
    flat |= {"psnr_luma_rounding": "round"}
    assert nested_profile(flat) == today, "PSNR's own rounding was the shared one"


@pytest.mark.parametrize("name", sorted(NAMES))
def test_built_in_files_are_valid_and_say_nothing_needlessly(name: str) -> None:
    """As a user's file is checked; and a default written out would give its results another fingerprint."""
    file = FOLDER / f"{name}.toml"
    profile = get_profile(name)
    assert profile.canonical() == read_toml(file), "in this order too"
    for table in profile.tables:
        profile = profile.with_table(table, metrics().get(table).load_class().Convention)
    assert profile.canonical() == read_toml(file)


def test_what_is_a_default_is_no_part_of_a_profile(tmp_path: Path) -> None:
    lean: dict[str, Any] = {"name": "mine", "summary": "x", "quantise": "round", "pixels": {"channel": "y-bt601"}}
    full = lean | {"pixels": {"channel": "y-bt601", "border": 0}, "faces": {"detector": "scrfd"}}
    full |= {"ssim": {"size": 11, "channel": "y-bt601"}, "identity": {"detector": "scrfd"}}
    assert written(tmp_path, full).canonical() == written(tmp_path, lean).canonical()


def test_a_metrics_own_table_goes_before_the_shared_one(tmp_path: Path) -> None:
    mine: dict[str, Any] = {"name": "mine", "summary": "x", "quantise": "round"}
    mine |= {"pixels": {"channel": "y-bt601", "luma_rounding": "round"}, "ssim": {"channel": "rgb"}}
    with pytest.raises(CardError, match="ssim: luma_rounding means nothing with channel rgb"):
        written(tmp_path, mine)
    profile = written(tmp_path, mine | {"ssim": {"channel": "rgb", "luma_rounding": "none"}})
    assert profile.canonical()["ssim"] == {"channel": "rgb", "luma_rounding": "none"}
    assert profile.convention("ssim", SsimConvention).channel == "rgb"
    assert profile.convention("psnr", PsnrConvention).luma_rounding == "round"


def test_a_new_field_of_one_metric_changes_no_profile() -> None:
    class More(SsimConvention):
        new: int = 3

    for profile in profiles().values():
        if "ssim" in profile.tables:
            assert profile.with_table("ssim", More).canonical() == profile.canonical()


def test_listing_profiles_imports_no_metric() -> None:
    code = (
        "import sys; from facesr_bench.plugins.profile import profiles; profiles(); "
        "print([m for m in sys.modules if m in ('torch', 'scipy') or 'functional' in m and 'facesr' in m])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def _levels(dtype: Any) -> NDArray[Any]:
    """Every k / 255, k = 0..255, as a 16x16 picture with three equal channels."""
    values = np.arange(256, dtype=dtype) / dtype(255)
    return np.repeat(values.reshape(16, 16, 1), 3, axis=2)


@pytest.mark.parametrize("mode", ["round", "truncate"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exact_levels_survive(mode: Quantise, dtype: Any) -> None:
    expected = np.arange(256).reshape(16, 16)
    exact = _levels(dtype)
    there_and_back = (exact * dtype(2) - dtype(1) + dtype(1)) / dtype(2)
    for levels in exact, there_and_back, np.nextafter(exact, dtype(0)):
        assert np.array_equal(quantise.quantise(levels, mode)[..., 1], expected)


def test_plain_truncation_would_lose_levels() -> None:
    """Why there is a slack: through [-1, 1] in float32, as every SPARNet output goes."""
    exact = _levels(np.float32)
    there_and_back = (exact * np.float32(2) - np.float32(1) + np.float32(1)) / np.float32(2)
    lost = (there_and_back * np.float32(255)).astype(np.uint8)[..., 0].ravel() != np.arange(256)
    assert lost.sum() > 30  # 63 with IEEE arithmetic


def test_truncation_drops_the_fraction_and_rounding_does_not() -> None:
    sr = np.full((2, 2, 3), 100.7 / 255)
    assert quantise.quantise(sr, "truncate").max() == 100
    assert quantise.quantise(sr, "round").min() == 101
    assert quantise.quantise(np.full((2, 2, 3), 100.99 / 255), "truncate").max() == 100


@pytest.mark.parametrize(
    ("sr", "message"),
    [
        (np.full((4, 4, 3), 200.0), r"must lie in \[0, 1\].* 200 to 200.*divide by 255"),
        (np.full((4, 4, 3), -0.01), r"must lie in \[0, 1\]"),
        (np.full((4, 4, 3), np.nan), "NaN"),
        (np.full((4, 4, 3), np.inf), r"must lie in \[0, 1\]"),
        (np.full((4, 4, 3), 1, np.int64), "not int64"),
        (np.full((4, 4, 3), 0.5, np.float16), "not float16"),
        (np.full((4, 4), 0.5), r"HxWx3 \(RGB\), not of shape \(4, 4\)"),
        (np.full((3, 4, 4), 0.5), r"not of shape \(3, 4, 4\)"),
        (np.full((0, 4, 3), 0.5), r"not of shape \(0, 4, 3\)"),
    ],
)
def test_quantise_refuses(sr: NDArray[Any], message: str) -> None:
    with pytest.raises(MetricError, match=message):
        quantise.quantise(sr, "round")


def test_float_noise_outside_the_range_is_clipped() -> None:
    sr = np.array([-1e-5, 0.5, 1 + 1e-5] * 3).reshape(1, 3, 3)
    assert quantise.quantise(sr, "round")[0, 0].tolist() == [0, 128, 255]


def test_luma_is_exact_for_every_grey_and_many_colours() -> None:
    """Against fractions, so that floor and round can be trusted at the whole levels."""
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    # The two named colours lie on a whole level, and the formula in plain floats puts them just below it.
    colours = np.concatenate(
        [greys, np.random.default_rng(1).integers(0, 256, (2000, 3), np.uint8), [[2, 248, 209], [3, 119, 125]]]
    ).astype(np.uint8)[None]
    for luma, weights, offset in (
        (channels.luma_bt601, ("65.481", "128.553", "24.966"), 16),
        (channels.luma_full, ("76.245", "149.685", "29.07"), 0),
    ):
        exact = [
            sum((Fraction(w) * int(v) / 255 for w, v in zip(weights, colour, strict=True)), Fraction(offset))
            for colour in colours[0]
        ]
        values = luma(colours)[0]
        assert np.allclose(values, [float(e) for e in exact], rtol=0, atol=1e-12)
        assert np.floor(values).tolist() == [e.numerator // e.denominator for e in exact]
        assert np.rint(values).tolist() == [round(e) for e in exact]


def test_luma_range() -> None:
    ends = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    assert channels.luma_bt601(ends)[0].tolist() == [16, 235]
    assert channels.luma_full(ends)[0].tolist() == [0, 255]


def test_matching_gives_hrs_mean_and_deviation(astronaut: Image8) -> None:
    sr = resize(resize(astronaut, (24, 24)), (192, 192))
    matched = channels.match(sr, channels.statistics(astronaut))
    for channel in range(3):
        assert matched[..., channel].mean() == pytest.approx(astronaut[..., channel].mean(), abs=1e-9)
        assert matched[..., channel].std() == pytest.approx(astronaut[..., channel].std(), abs=1e-9)


def test_matching_an_image_to_itself_changes_nothing(astronaut: Image8) -> None:
    assert np.array_equal(channels.match(astronaut, channels.statistics(astronaut)), astronaut)


def test_matching_refuses_a_constant_channel(astronaut: Image8) -> None:
    flat = astronaut.copy()
    flat[..., 2] = 7
    with pytest.raises(MetricError, match="a channel of SR is constant"):
        score(flat, astronaut, profile="vqfr")
    # A constant HR is no obstacle: SR becomes constant too.
    assert np.unique(channels.match(astronaut, channels.statistics(flat))[..., 2]) == pytest.approx(7)


def convention_table() -> str:
    """The fields of every table of a profile, as docs/metrics.md shows them."""
    models: dict[str, type[BaseModel]] = {"pixels": PixelConvention, "faces": FaceConvention}
    own = [
        plugin
        for plugin in metrics().plugins
        if plugin.source == "built in" and not plugin.require_card().implementation
    ]
    models |= {plugin.name: plugin.load_class().Convention for plugin in own}
    lines = ["| table | field | default (or) | what it is |", "|---|---|---|---|"]
    for table, model in models.items():
        for name, field in model.model_fields.items():
            if table in {"pixels", "faces"} or name not in {
                **PixelConvention.model_fields,
                **FaceConvention.model_fields,
            }:
                choices = model.model_json_schema()["properties"][name].get("enum", [])
                default = [] if field.is_required() else [field.default]
                others = ", ".join(f"`{json.dumps(choice)}`" for choice in choices if choice not in default)
                shown = ", ".join("none" if value is None else f"`{json.dumps(value)}`" for value in default)
                values = f"{shown} ({others})".strip() if others else shown
                lines.append(f"| `[{table}]` | `{name}` | {values} | {field.description} |")
    return "\n".join(lines) + "\n"


def test_the_documentation_has_every_field_of_every_table() -> None:
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
    assert convention_table() in text, "bring docs/metrics.md up to date with what convention_table() returns"
