"""The files that each of pyiqa's metrics is made from.

Most take a checkpoint as `pretrained_model_path`: those stand in the weights catalogue under `pyiqa-NAME`. Some
constructors open further files by themselves, from folders of pyiqa, torch hub and CLIP, and download what is missing
there; such a metric is made only if every one of them is there already. What loads a backbone through timm or
transformers can't be covered that way, since those ask the network for newer revisions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PYIQA_URL = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main"
TORCHVISION_URL = "https://download.pytorch.org/models"
CLIP_URL = "https://openaipublic.azureedge.net/clip/models"
FACEXLIB_URL = "https://github.com/xinntao/facexlib/releases/download"


@dataclass(frozen=True)
class Placed:
    """A file that a library opens by itself.

    Attributes:
        folder: `pyiqa`, `hub/checkpoints`, `hub/clip` (of torch hub) or `clip` (in the user's cache).
        url: where the library would download it from.
    """

    folder: str
    url: str

    @property
    def path(self) -> Path:
        """Where the library looks for it."""
        return _folder(self.folder) / self.url.rpartition("/")[2]

    @property
    def sha256_prefix(self) -> str:
        """The first digits of its hash: in CLIP's URLs all of them, in torchvision's names eight; else empty."""
        found = re.search(r"/([0-9a-f]{64})/[^/]+$|-([0-9a-f]{8})\.pth$", self.url)
        return (found[1] or found[2]) if found and not self.url.startswith(PYIQA_URL) else ""


@dataclass(frozen=True)
class Recipe:
    """How a metric is made without a download.

    Attributes:
        stored: its checkpoint is `pyiqa-NAME` of the weights catalogue, handed over as `pretrained_model_path`.
        options: what pyiqa's constructor is given beside it.
        placed: files that the constructor opens by itself.
    """

    stored: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    placed: tuple[Placed, ...] = ()


def _folder(name: str) -> Path:
    import torch
    from pyiqa.utils import download_util

    if name == "pyiqa":
        return Path(download_util.DEFAULT_CACHE_DIR).absolute()
    if name == "clip":
        return Path("~/.cache/clip").expanduser()
    return Path(torch.hub.get_dir()).absolute() / name.removeprefix("hub/")


def _pyiqa(*files: str) -> tuple[Placed, ...]:
    return tuple(Placed("pyiqa", f"{PYIQA_URL}/{file}") for file in files)


def _torchvision(file: str) -> tuple[Placed, ...]:
    return (Placed("hub/checkpoints", f"{TORCHVISION_URL}/{file}"),)


def _clip(file: str, folder: str = "hub/clip") -> tuple[Placed, ...]:
    return (Placed(folder, f"{CLIP_URL}/{file}"),)


def _arniqa(data: str) -> Recipe:
    encoder = Placed("hub/checkpoints", f"{PYIQA_URL}/ARNIQA.pth")
    return Recipe(placed=(*_RESNET50, encoder, *_pyiqa(f"regressor_{data}.pth")))


def _qualiclip(*files: str) -> Recipe:
    return Recipe(placed=(*_RN50, *_pyiqa("QualiCLIP.pth", *files)))


_RESNET50 = _torchvision("resnet50-0676ba61.pth")
_RN50 = _clip("afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762/RN50.pt")
_VIT_B_32 = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt"
_VIT_L_14 = "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt"
_STORED = Recipe(stored=True)
# Its checkpoints hold the backbone too, so ImageNet's weights need not be loaded first.
_TOPIQ = Recipe(stored=True, options={"backbone_pretrain": False})
_TOPIQ_FACE = Recipe(
    stored=True,
    options={"backbone_pretrain": False},
    placed=(
        Placed("pyiqa", f"{FACEXLIB_URL}/v0.1.0/detection_Resnet50_Final.pth"),
        Placed("pyiqa", f"{FACEXLIB_URL}/v0.2.2/parsing_parsenet.pth"),
    ),
)

RECIPES: dict[str, Recipe] = {
    "piqe": Recipe(),
    "entropy": Recipe(),
    "niqe": _STORED,
    "niqe_matlab": _STORED,
    "ilniqe": _STORED,
    "brisque": _STORED,
    "brisque_matlab": Recipe(placed=_pyiqa("brisque_matlab.mat")),
    "nrqm": _STORED,
    "pi": Recipe(placed=_pyiqa("NRQM_model.mat", "niqe_modelparameters.mat")),
    "cnniqa": _STORED,
    "wadiqam_nr": _STORED,
    "musiq": _STORED,
    "musiq-ava": Recipe(stored=True, options={"num_class": 10}),
    "musiq-paq2piq": _STORED,
    "musiq-spaq": _STORED,
    "topiq_nr": _TOPIQ,
    "topiq_nr-flive": _TOPIQ,
    "topiq_nr-spaq": _TOPIQ,
    "topiq_nr-face": _TOPIQ_FACE,
    "topiq_nr-face-v1": _TOPIQ_FACE,
    "topiq_iaa_res50": _TOPIQ,
    "paq2piq": Recipe(stored=True, placed=_torchvision("resnet18-f37072fd.pth")),
    "tres": Recipe(stored=True, placed=_RESNET50),
    "tres-flive": Recipe(stored=True, placed=_RESNET50),
    "dbcnn": Recipe(stored=True, placed=(*_torchvision("vgg16-397923af.pth"), *_pyiqa("DBCNN_scnn-7ea73d75.pth"))),
    "unique": Recipe(placed=(*_torchvision("resnet34-b627a593.pth"), *_pyiqa("UNIQUE.pt"))),
    # These read a checkpoint given by path in another way than their own.
    "metaiqa": Recipe(placed=_pyiqa("Metaiqa_livec.pth")),
    "uranker": Recipe(placed=_pyiqa("URanker_ckpt-450eb36d.pth")),
    "arniqa": _arniqa("koniq10k"),
    "arniqa-live": _arniqa("live"),
    "arniqa-csiq": _arniqa("csiq"),
    "arniqa-tid": _arniqa("tid2013"),
    "arniqa-kadid": _arniqa("kadid10k"),
    "arniqa-clive": _arniqa("clive"),
    "arniqa-flive": _arniqa("flive"),
    "arniqa-spaq": _arniqa("spaq"),
    "clipiqa": Recipe(placed=_RN50),
    "clipiqa+": Recipe(placed=(*_RN50, *_pyiqa("CLIP-IQA+_learned_prompts-603f3273.pth"))),
    "clipiqa+_rn50_512": Recipe(placed=(*_RN50, *_pyiqa("CLIPIQA+_RN50_512-89f5d940.pth"))),
    "clipiqa+_vitL14_512": Recipe(placed=(*_clip(_VIT_L_14), *_pyiqa("CLIPIQA+_ViTL14_512-e66488f2.pth"))),
    "liqe": Recipe(stored=True, placed=_clip(_VIT_B_32)),
    "liqe_mix": Recipe(stored=True, placed=_clip(_VIT_B_32)),
    "laion_aes": Recipe(placed=(*_clip(_VIT_L_14, "clip"), *_pyiqa("sac+logos+ava1-l14-linearMSE.pth"))),
    "maclip": Recipe(placed=_RN50),
    "qualiclip": _qualiclip(),
    "qualiclip+": _qualiclip("QualiCLIP+_koniq.pth"),
    "qualiclip+-clive": _qualiclip("QualiCLIP+_clive.pth"),
    "qualiclip+-flive": _qualiclip("QualiCLIP+_flive.pth"),
    "qualiclip+-spaq": _qualiclip("QualiCLIP+_spaq.pth"),
    "afine_nr": Recipe(stored=True, placed=_clip(_VIT_B_32, "clip")),
}
"""Every metric that can be made here, by pyiqa's name for it."""

COMPARING: dict[str, Recipe] = dict.fromkeys(
    ("psnr", "psnry", "ssim", "ssimc", "ms_ssim", "cw_ssim", "fsim", "gmsd", "mad", "nlpd", "vif", "vsi"), Recipe()
)
"""Those that compare with a reference, and need no file."""

TRAINED_ON = {
    "clipiqa": "CLIP, untrained",
    "clipiqa+": "KonIQ-10k",
    "clipiqa+_rn50_512": "KonIQ-10k",
    "clipiqa+_vitL14_512": "KonIQ-10k",
    "maniqa": "KonIQ-10k",
    "maniqa-kadid": "KADID-10k",
    "maniqa-pipal": "PIPAL",
}
"""What networks were trained on that papers report under one name; untrained: CLIP's own, with fixed prompts."""

CAUTIONS = dict.fromkeys(
    ("niqe", "niqe_matlab", "brisque", "brisque_matlab"),
    "caution: on restored faces it ranks against people (rank correlation about -.4 in FOS's user study)",
)
"""What is known against a metric, for the place where its column stands."""
