"""Degradations are exact: stored hashes, whatever the order or the threads."""

from __future__ import annotations

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from facesr_bench.base.errors import DataError, PluginError
from facesr_bench.data import degradation
from facesr_bench.images.files import Image8

# Pillow's were made by Pillow itself, MATLAB's by the imresize that test_imresize.py proves equal to MATLAB's.
HASHES = {
    ("bicubic-pillow", 8): "9a6d3567410c82885a8c1bf218c8bc194af17fee97d1e49a0ebb9943cade13f7",
    ("bicubic-pillow", 4): "ac6f8324737cc282ec9b964d03ef3b93a6c54bbdadb51c07941e9d7132be4051",
    ("bicubic-matlab", 8): "d1143ec90a14d352916f64680d01bc41403ea048113d87f07134240dab44f9e3",
    ("bicubic-matlab", 4): "48e4971e899c509088693fc16af7964f68ba6a15bfdd35bb38861e6f9df8d364",
}


def sha256(image: Image8) -> str:
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()


@pytest.mark.parametrize(("name", "scale"), HASHES)
def test_the_same_bits_on_every_machine(astronaut: NDArray[np.uint8], name: str, scale: int) -> None:
    lr = degradation.apply(name, astronaut, scale, seed=0)
    assert lr.shape == (192 // scale, 192 // scale, 3)
    assert lr.dtype == np.uint8
    assert sha256(lr) == HASHES[name, scale]


def test_every_degradation_has_a_stored_hash() -> None:
    assert {name for name, _ in HASHES} == set(degradation.DEGRADATIONS)


@pytest.mark.parametrize("name", degradation.DEGRADATIONS)
def test_neither_order_nor_threads_matter(astronaut: NDArray[np.uint8], name: str) -> None:
    faces = {f"face-{i}": np.roll(astronaut, 7 * i, axis=1) for i in range(24)}

    def degrade(key: str) -> str:
        return sha256(degradation.apply(name, faces[key], 8, degradation.seed_of("p", key)))

    one_by_one = {key: degrade(key) for key in faces}
    assert len(set(one_by_one.values())) == len(faces)
    shuffled = random.Random(5).sample(list(faces), len(faces))
    with ThreadPoolExecutor(8) as pool:
        assert dict(zip(shuffled, pool.map(degrade, shuffled), strict=True)) == one_by_one


def test_hr_is_left_alone(astronaut: NDArray[np.uint8]) -> None:
    before = astronaut.copy()
    for name in degradation.DEGRADATIONS:
        degradation.apply(name, astronaut, 8, 0)
    np.testing.assert_array_equal(astronaut, before)


def test_seeds_are_a_function_of_the_names() -> None:
    # First 8 bytes of `printf 'helen-x8\0296814969_3' | sha256sum`.
    assert degradation.seed_of("helen-x8", "296814969_3") == 0x564A66CC0133F7D6
    seeds = {degradation.seed_of(p, s) for p in ("a", "ab", "b") for s in ("c", "bc", "")}
    assert len(seeds) == 9


def test_unknown_name_suggests(astronaut: NDArray[np.uint8]) -> None:
    with pytest.raises(PluginError, match="did you mean 'bicubic-pillow'"):
        degradation.apply("bicubic-pilow", astronaut, 8, 0)


def test_scale_must_fit(astronaut: NDArray[np.uint8]) -> None:
    with pytest.raises(DataError, match="192x192, not a multiple of scale 7"):
        degradation.apply("bicubic-pillow", astronaut, 7, 0)
