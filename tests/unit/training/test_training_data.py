"""Faces, their cache, and the samples of a step."""

from __future__ import annotations

import hashlib
import math
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from facesr_bench.base.errors import DataError
from facesr_bench.plugins.degradation import find_degradation, make_degradation
from facesr_bench.training.config import CropSettings, FaceSettings
from facesr_bench.training.data import Batch, Faces, Sampler, prefetch, read_faces, split
from facesr_bench.training.validation import luma_psnr

BICUBIC = CropSettings(image_size=32, scale=8)
BLIND = FaceSettings(image_size=64)
BY_8 = make_degradation(find_degradation("bicubic-pillow"), 8)
HD = make_degradation(find_degradation("sparnethd"), 1)


def quiet(_line: str) -> None:
    pass


def faces_of(folder: Path, cache: Path, side: int = 0) -> Faces:
    return read_faces(folder, cache, side, 4, quiet)


def test_the_split_goes_by_the_hash_of_the_name() -> None:
    names = [f"{i:04d}.webp" for i in range(100)]
    train, held_out = split(names, 7)
    by_hash = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert [names[i] for i in held_out] == by_hash[:7] and [names[i] for i in train] == by_hash[7:]
    assert len(split(names, 240)[1]) == 10  # a tenth at most
    assert len(split(names[:2], 240)[1]) == 1  # but one at least


def test_pictures_are_decoded_once(pictures: Path, tmp_path: Path) -> None:
    told: list[str] = []
    first = read_faces(pictures, tmp_path, 0, 4, told.append)
    again = read_faces(pictures, tmp_path, 0, 4, told.append)
    assert len(told) == 1 and "24 pictures" in told[0]
    assert first.pixels.shape == (24, 40, 40, 3) and isinstance(again.pixels, np.memmap)
    assert np.array_equal(first.pixels[3], np.asarray(Image.open(pictures / first.names[3])))
    changed = pictures / first.names[3]
    Image.new("RGB", (40, 40), "red").save(changed)
    os.utime(changed, ns=(1, 1))
    after = read_faces(pictures, tmp_path, 0, 4, told.append)
    assert len(told) == 2 and tuple(after.pixels[3][0, 0]) == (255, 0, 0)
    assert not list(tmp_path.glob("*.partial"))


def test_other_shapes_are_cut_and_resized_only_when_asked(pictures: Path, tmp_path: Path) -> None:
    (pictures / "sub").mkdir()
    Image.new("RGB", (60, 80)).save(pictures / "sub" / "tall.png")
    with pytest.raises(DataError, match=r"tall\.png: 60x80 px is not a square; --set face_size"):
        faces_of(pictures, tmp_path)
    faces = faces_of(pictures, tmp_path, side=48)
    assert faces.pixels.shape == (25, 48, 48, 3) and "sub/tall.png" in faces.names
    Image.new("RGB", (60, 60)).save(pictures / "sub" / "tall.png")
    with pytest.raises(DataError, match=r"tall\.png: 60x60 px, but face00\.png has 40x40"):
        faces_of(pictures, tmp_path)


def test_what_can_not_be_trained_on(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        faces_of(tmp_path / "nowhere", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"0 pictures; training needs at least 2"):
        faces_of(tmp_path / "empty", tmp_path)
    (pictures / "face05.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"face05\.png: the file is empty"):
        faces_of(pictures, tmp_path)
    assert not list(tmp_path.glob("faces-*"))


def test_pictures_that_can_not_be_used_are_named_in_one_go(pictures: Path, tmp_path: Path) -> None:
    (pictures / "face00.png").write_bytes(b"")  # the first one, too
    (pictures / "face05.png").write_bytes(b"no picture")
    Image.new("RGB", (60, 60)).save(pictures / "face07.png")
    with pytest.raises(DataError) as error:
        faces_of(pictures, tmp_path)
    lines = str(error.value).splitlines()
    assert lines[0] == "3 pictures can't be used:"
    assert [line.partition(":")[0].strip() for line in lines[1:]] == [
        str(pictures / f"face{i}.png") for i in ("00", "05", "07")
    ]
    assert "but face01.png has 40x40" in lines[3]
    for path in pictures.iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(DataError) as error:
        faces_of(pictures, tmp_path)
    lines = str(error.value).splitlines()
    assert lines[0].startswith("24 pictures") and len(lines) == 22 and "and perhaps more" in lines[-1]
    assert not list(tmp_path.glob("faces-*"))


def test_a_link_that_leads_nowhere_and_a_name_that_is_not_utf8(pictures: Path, tmp_path: Path) -> None:
    (pictures / "face00.png").rename(os.fsdecode(os.fsencode(pictures / "face") + b"\xff.png"))
    assert len(faces_of(pictures, tmp_path).names_hash()) == 64
    (pictures / "link.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(DataError, match=r"link\.png: can't be read: No such file"):
        faces_of(pictures, tmp_path)


def test_a_damaged_cache_is_named(pictures: Path, tmp_path: Path) -> None:
    faces_of(pictures, tmp_path)
    (file,) = tmp_path.glob("faces-*.npy")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(DataError, match=rf"{file.name}: damaged .* remove it"):
        faces_of(pictures, tmp_path)


def test_a_picture_of_one_colour_does_not_make_validation_infinite() -> None:
    black, grey = -torch.ones(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    scores = luma_psnr(torch.cat([black, grey]), torch.cat([black, black]))
    # Half of the range of luma, 219 of 255 levels wide.
    assert scores.tolist() == pytest.approx([100, 20 * math.log10(255 / (219 / 2))], rel=1e-5)


def reference_batch(faces: Faces, batch: int, seed: int, step: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What the script did that the first bundled weights were trained with, line by line."""
    epoch, position = divmod(step, len(faces.train) // batch)
    order = np.random.default_rng([seed, 1, epoch]).permutation(len(faces.train))
    rng = np.random.default_rng([seed, 2, step])
    inputs, targets = [], []
    for k in order[position * batch : (position + 1) * batch]:
        face = Image.fromarray(faces.pixels[faces.train[k]])
        side = int(rng.integers(31, face.width + 1))
        left, top = (int(rng.integers(0, face.width - side + 1)) for _ in range(2))
        hr = face.resize((32, 32), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
        if rng.random() < 0.5:
            hr = hr.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        lr = hr.resize((4, 4), Image.Resampling.BICUBIC).resize((32, 32), Image.Resampling.BICUBIC)
        inputs.append(np.asarray(lr))
        targets.append(np.asarray(hr))
    stacks = (torch.from_numpy(np.stack(images).astype(np.float32) / 127.5 - 1.0) for images in (inputs, targets))
    first, second = (stack.permute(0, 3, 1, 2) for stack in stacks)
    return first, second


def test_samples_are_those_of_the_first_bundled_weights(pictures: Path, tmp_path: Path) -> None:
    faces = faces_of(pictures, tmp_path)
    sampler = Sampler(faces, BICUBIC, 4, 3, BY_8)
    for step in (0, 1, 4, 5, 23):
        for ours, theirs in zip(sampler.batch(step), reference_batch(faces, 4, 3, step), strict=True):
            assert torch.equal(ours, theirs)
            assert ours.is_contiguous(memory_format=torch.channels_last)


def test_native_input_is_what_pillow_makes_of_the_target(pictures: Path, tmp_path: Path) -> None:
    faces = faces_of(pictures, tmp_path)
    native, upsampled = (Sampler(faces, BICUBIC, 4, 3, BY_8, native=native) for native in (True, False))
    for (lr, hr), (enlarged, same) in (
        (native.batch(2), upsampled.batch(2)),
        (native.validation(), upsampled.validation()),
    ):
        assert torch.equal(hr, same) and lr.shape[2:] == (4, 4)
        for small, large, target in zip(lr, enlarged, hr, strict=True):
            picture = Image.fromarray(((target + 1) * 127.5).round().byte().permute(1, 2, 0).numpy())
            reduced = picture.resize((4, 4), Image.Resampling.BICUBIC)
            for tensor, expected in ((small, reduced), (large, reduced.resize((32, 32), Image.Resampling.BICUBIC))):
                levels = ((tensor + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
                assert np.array_equal(levels, np.asarray(expected))


def test_the_smallest_crop_of_144_px_is_112() -> None:
    assert round(144 * CropSettings().smallest_crop) == 112


@pytest.mark.parametrize("settings", [BICUBIC, BLIND])
def test_shares_of_a_batch_make_up_the_batch(
    pictures: Path, tmp_path: Path, settings: CropSettings | FaceSettings
) -> None:
    faces = faces_of(pictures, tmp_path, side=64 if settings is BLIND else 0)
    sampler = Sampler(faces, settings, 6, 0, HD if settings is BLIND else BY_8)
    whole = sampler.batch(5)
    for rank in range(3):
        for part, full in zip(sampler.batch(5, rank, 3), whole, strict=True):
            assert torch.equal(part, full[rank::3])
    assert all(float(t.min()) >= -1 and float(t.max()) <= 1 for t in whole)
    assert whole[0].shape == whole[1].shape == (6, 3, settings.image_size, settings.image_size)


def test_an_epoch_shows_each_face_once(pictures: Path, tmp_path: Path) -> None:
    faces = faces_of(pictures, tmp_path)
    settings = CropSettings(image_size=40, scale=8, smallest_crop=1.0, flip=0.0)
    sampler = Sampler(faces, settings, 2, 0, BY_8)
    assert sampler.steps_per_epoch == 11
    seen = torch.cat([sampler.batch(step)[1] for step in range(11)])
    assert len({image.numpy().tobytes() for image in seen}) == 22
    first, second = sampler.batch(0)[1], sampler.batch(11)[1]
    assert not torch.equal(first, second)


def test_grey_is_for_input_and_target(pictures: Path, tmp_path: Path) -> None:
    faces = faces_of(pictures, tmp_path, side=64)
    grey = Sampler(faces, FaceSettings(image_size=64, grey=1.0), 8, 0, HD).batch(0)[1]
    assert torch.equal(grey[:, 0], grey[:, 1]) and torch.equal(grey[:, 1], grey[:, 2])
    share = [
        torch.equal(hr[0], hr[1])
        for step in range(10)
        for hr in Sampler(faces, FaceSettings(image_size=64), 20, 0, HD).batch(step)[1]
    ]
    assert 0.2 < np.mean(share) < 0.4


def test_validation_never_changes_and_is_of_held_out_faces(pictures: Path, tmp_path: Path) -> None:
    faces = faces_of(pictures, tmp_path)
    settings = CropSettings(image_size=40, scale=8)
    inputs, targets = Sampler(faces, settings, 2, 0, BY_8).validation()
    other, _ = Sampler(faces, settings, 8, 9, BY_8).validation()
    assert torch.equal(inputs, other) and len(inputs) == len(faces.held_out) == 2
    back = ((targets[0].permute(1, 2, 0) + 1) * 127.5).round().numpy().astype(np.uint8)
    assert np.array_equal(back, faces.pixels[faces.held_out[0]])
    assert not set(faces.train) & set(faces.held_out)


def test_batches_come_in_order_and_are_made_ahead() -> None:
    made: list[int] = []
    ready = threading.Event()

    def make(step: int) -> Batch:
        made.append(step)
        if len(made) >= 4:
            ready.set()
        return torch.tensor([step]), torch.tensor([step])

    with prefetch(make, 10, 16, workers=3) as take:
        assert take()[0].item() == 10
        assert ready.wait(10)  # others are made without being asked for
        assert [take()[0].item() for _ in range(5)] == [11, 12, 13, 14, 15]
    assert sorted(made) == list(range(10, 16))  # and none beyond the end


def test_a_failure_in_a_thread_reaches_the_loop() -> None:
    def make(step: int) -> Batch:
        if step == 1:
            raise DataError("face.png: damaged")
        return torch.zeros(1), torch.zeros(1)

    with prefetch(make, 0, None, workers=1) as take:
        take()
        with pytest.raises(DataError, match="damaged"):
            take()
