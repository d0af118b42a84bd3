"""Profiles: named conventions for turning two images into PSNR and SSIM.

Published numbers differ because each codebase made these choices silently. Here each choice is a field, each set of
choices has a name (profiles.toml), and numbers of different profiles never share a column.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from facesr_bench.base.errors import MetricError
from facesr_bench.base.suggest import is_path, unknown
from facesr_bench.base.toml import read_toml
from facesr_bench.images.quantise import Quantise
from facesr_bench.plugins.cards import Name, validate

Rounding = Literal["floor", "round", "none"]


class Profile(BaseModel):
    """One named convention. `name` is the key of its table in profiles.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    summary: str
    source: tuple[str, ...] = Field(description="where the convention is written down: repository@commit:path:line")
    quantise: Quantise = Field(description="how a float SR in [0, 1] becomes uint8")
    channel: Literal["rgb", "y-bt601", "y-full"] = Field(
        description="`y-bt601`: limited-range luma 16..235; `y-full`: .299/.587/.114 luma 0..255"
    )
    luma_rounding: Rounding = "none"
    psnr_luma_rounding: Rounding | None = Field(default=None, description="PSNR's own, where it differs from SSIM's")
    border: Annotated[int, Field(ge=0)] | Literal["scale"] = Field(
        default=0, description="px cut off each side; `scale`: as many as the scale"
    )
    psnr_epsilon: float = Field(
        default=0.0, ge=0, description="added to the mean squared error of [0, 1] values, unless that is 0"
    )
    ssim_window: Literal["gaussian", "uniform"] = "gaussian"
    ssim_size: int = Field(default=11, ge=3, description="side of the window, px")
    ssim_sigma: float = Field(default=1.5, gt=0, description="of the gaussian window, px; the uniform one has none")
    ssim_covariance: Literal["population", "sample"] = "population"
    ssim_downsample: bool = Field(default=False, description="first average-pool by round(min(H, W) / 256)")
    ssim_clip_structure: bool = Field(
        default=False, description="a negative contrast-structure term counts as 0, so that SSIM is never negative"
    )
    ssim_negative: bool = Field(default=False, description="SSIM on 256 - Y (DIC's uint8 overflow), kept as a witness")
    lpips_range: Literal["minus-one-one", "zero-one"] = Field(
        default="minus-one-one", description="what levels 0 and 255 become for LPIPS; its definition is -1 and 1"
    )
    lpips_size: int | None = Field(
        default=None, ge=32, description="side that both images are resized to before LPIPS (Pillow bicubic), px"
    )
    identity_alignment: Literal["hr", "each"] = Field(
        default="hr", description="`hr`: HR's five points align both faces; `each`: a detector finds them on each"
    )
    face_detector: Literal["scrfd", "yunet", "dlib"] = Field(
        default="scrfd", description="where points are detected: on each face, or where a dataset brings none"
    )
    nme_normaliser: Literal["inter-ocular", "inter-pupil", "box-diagonal", "dic"] = Field(
        default="inter-ocular", description="what landmark errors are divided by"
    )
    nme_average: Literal["mean", "rms"] = Field(default="mean", description="of a face's 68 distances")
    fan_decoding: Literal["face-alignment", "exact"] = Field(
        default="face-alignment", description="of 2DFAN4's heatmaps: cut off to whole px as the package does, or not"
    )
    match_statistics: bool = Field(
        default=False, description="force mean and standard deviation of SR's channels to HR's (VQFR), a witness"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Profile:
        if self.ssim_size % 2 == 0:
            raise ValueError("ssim_size must be odd")
        if self.channel == "rgb" and (self.luma_rounding != "none" or self.psnr_luma_rounding is not None):
            raise ValueError("luma_rounding and psnr_luma_rounding mean nothing with channel rgb")
        if self.ssim_negative and (self.channel != "y-bt601" or self.luma_rounding == "none"):
            raise ValueError("ssim_negative is what becomes of whole levels 16..235: channel y-bt601, luma rounded")
        return self

    def border_px(self, scale: int) -> int:
        return scale if self.border == "scale" else self.border


def _profile_of_file(path: Path) -> Profile:
    tables = read_toml(path)
    if len(tables) != 1 or not all(isinstance(table, dict) for table in tables.values()):
        raise MetricError(f"{path}: a profile's file holds one table, [name-of-the-profile], with its fields")
    ((name, table),) = tables.items()
    if name in profiles():
        raise MetricError(f"{path}: there is a profile {name!r} already; two conventions can't share a name")
    return validate(Profile, {"name": name, "source": [path.name], **table}, path)


@cache
def profiles() -> dict[str, Profile]:
    """Every profile, by name."""
    path = Path(__file__).parents[1] / "profiles" / "profiles.toml"
    return {name: validate(Profile, {"name": name, **table}, path) for name, table in read_toml(path).items()}


def get_profile(name: str) -> Profile:
    """The profile called `name`, or the only one in a TOML file given by path (`./mine.toml`).

    Raises:
        MetricError: there is none (suggests one), or the file holds none, several, or one whose name is taken.
        CardError: the file or the profile in it is not valid.
    """
    if is_path(name):
        return _profile_of_file(Path(name).expanduser())
    if name not in profiles():
        raise MetricError(unknown("profile", name, profiles()))
    return profiles()[name]
