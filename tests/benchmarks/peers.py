"""What a paper's authors run one after another to get the same numbers, each step a process of its own.

    python peers.py STEP LR HR SR DATA

The steps are what the released scripts of the field do, written anew on public packages: the network as it is trained
(nothing folded), a picture at a time; PSNR and SSIM of luma with OpenCV's filters; `lpips`'s own `forward` of a pair;
a recognition network in an onnxruntime session with its defaults, SR and HR of each picture; pytorch-fid's
`calculate_fid_given_paths`. None of them keeps anything for the next method.

    LR, HR, SR: folders of PNGs of the same names
    DATA: squeezenet.pth, recogniser.onnx, inception.pth, and points.json (five points per name, px of HR)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def pictures(folder: Path) -> list[tuple[str, NDArray[np.uint8]]]:
    return [(path.name, np.array(Image.open(path).convert("RGB"))) for path in sorted(folder.glob("*.png"))]


def upscale_sparnet(lr: Path, sr: Path, data: Path) -> None:
    import torch

    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this is started as a script
    from tests.plain_networks import plain

    network = plain("sparnet")
    for name, picture in pictures(lr):
        size = (picture.shape[1] * 8, picture.shape[0] * 8)
        grown = np.array(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
        x = torch.from_numpy(grown.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1)
        with torch.no_grad():
            y = network(x)[0].clamp(-1, 1).permute(1, 2, 0).numpy()
        Image.fromarray(((y + 1) * 127.5).astype(np.uint8)).save(sr / name)


def upscale_bicubic(lr: Path, sr: Path, data: Path) -> None:
    for name, picture in pictures(lr):
        size = (picture.shape[1] * 8, picture.shape[0] * 8)
        Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC).save(sr / name)


def psnr_ssim(sr: Path, hr: Path, data: Path) -> dict[str, float]:
    import cv2

    window = cv2.getGaussianKernel(11, 1.5)
    kernel = np.outer(window, window)

    def luma(image: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.asarray(image.astype(np.float64) @ (65.481, 128.553, 24.966) / 255 + 16)

    def smooth(image: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.filter2D(image, -1, kernel)[5:-5, 5:-5])

    psnrs, ssims = [], []
    for (_, one), (_, other) in zip(pictures(sr), pictures(hr), strict=True):
        x, y = luma(one), luma(other)
        psnrs.append(10 * np.log10(255**2 / np.mean((x - y) ** 2)))
        mx, my = smooth(x), smooth(y)
        vx, vy, vxy = smooth(x * x) - mx * mx, smooth(y * y) - my * my, smooth(x * y) - mx * my
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        values = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
        ssims.append(values.mean())
    return {"psnr": float(np.mean(psnrs)), "ssim": float(np.mean(ssims))}


def lpips_squeeze(sr: Path, hr: Path, data: Path) -> dict[str, float]:
    import lpips
    import torch

    network = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
    state = torch.load(data / "squeezenet.pth", weights_only=True)
    layers = {name: layer for part in network.net.children() for name, layer in part.named_children()}
    torch.nn.ModuleDict(layers).load_state_dict({name.removeprefix("features."): t for name, t in state.items()})

    def tensor(image: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1)

    with torch.no_grad():
        pairs = zip(pictures(sr), pictures(hr), strict=True)
        found = [float(network(tensor(one), tensor(other))) for (_, one), (_, other) in pairs]
    return {"lpips": float(np.mean(found))}


def identity(sr: Path, hr: Path, data: Path) -> dict[str, float]:
    import onnxruntime
    from insightface.utils import face_align

    session = onnxruntime.InferenceSession(data / "recogniser.onnx", providers=["CPUExecutionProvider"])
    points = json.loads((data / "points.json").read_text())
    mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)

    def embed(name: str, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        face = face_align.norm_crop(image, np.array(points[name], np.float32), image_size=112)
        values = ((face.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)[None]
        raw = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(values)})[0][0]
        return np.asarray(raw / np.linalg.norm(raw))

    pairs = zip(pictures(sr), pictures(hr), strict=True)
    found = [float(embed(name, one) @ embed(name, other)) for (name, one), (_, other) in pairs]
    return {"identity": float(np.mean(found))}


def fid(sr: Path, hr: Path, data: Path) -> dict[str, float]:
    import torch
    from pytorch_fid import fid_score, inception

    state = {name: t.float() for name, t in torch.load(data / "inception.pth", weights_only=True).items()}
    counts = {
        f"{name[: -len('running_mean')]}num_batches_tracked": torch.tensor(0) for name in state if "_mean" in name
    }
    inception.load_state_dict_from_url = lambda *_, **__: {**state, **counts}
    return {"fid": float(fid_score.calculate_fid_given_paths([str(sr), str(hr)], 50, "cpu", 2048, num_workers=0))}


SCORES = {"psnr_ssim": psnr_ssim, "lpips": lpips_squeeze, "identity": identity, "fid": fid}
METHODS = {"sparnet": upscale_sparnet, "bicubic": upscale_bicubic}


def main(step: str, *folders: str) -> None:
    lr, hr, sr, data = map(Path, folders)
    if step in METHODS:
        METHODS[step](lr, sr, data)
    else:
        print(json.dumps(SCORES[step](sr, hr, data)))


if __name__ == "__main__":
    main(*sys.argv[1:])
