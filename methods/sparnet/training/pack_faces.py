"""Packs training faces into one small zip that can be carried to another machine.

    python pack_faces.py FACES faces.zip --megabytes 20

Every picture is encoded again as WebP, at the highest quality with which all of them fit.
"""

from __future__ import annotations

import argparse
import io
import sys
import zipfile
from pathlib import Path

from PIL import Image

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
SAMPLE = 200
"""Pictures that the quality is chosen on."""


def encoded(path: Path, quality: int) -> bytes:
    """The picture as WebP."""
    stream = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").save(stream, "WEBP", quality=quality, method=4)
    return stream.getvalue()


def fitting_quality(paths: list[Path], limit: float) -> int:
    """The highest WebP quality at which all pictures take at most `limit` bytes, judged by a sample of them.

    Raises:
        SystemExit: not even the lowest quality fits.
    """
    sample = paths[:: max(1, len(paths) // SAMPLE)]
    for quality in (100, 95, 90, 85, 80, 75, 70, 65, 60, 55, 50):
        mean = sum(len(encoded(path, quality)) + 120 for path in sample) / len(sample)  # 120: the zip's own share
        if mean * len(paths) <= 0.98 * limit:
            return quality
    raise SystemExit(f"{len(paths)} pictures don't fit into {limit / 1e6:g} MB; allow more with --megabytes")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path, help="folder of pictures; subfolders are read too")
    parser.add_argument("out", type=Path, help="the zip to write")
    parser.add_argument("--megabytes", type=float, default=20.0, help="its largest size (default: 20)")
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.faces.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise SystemExit(f"{arguments.faces}: no pictures in it")
    quality = fitting_quality(paths, arguments.megabytes * 1e6)
    with zipfile.ZipFile(arguments.out, "w", zipfile.ZIP_STORED) as archive:
        for path in paths:
            name = path.relative_to(arguments.faces).with_suffix(".webp").as_posix()
            archive.writestr(zipfile.ZipInfo(name), encoded(path, quality))
    size = arguments.out.stat().st_size
    sys.stdout.write(f"{arguments.out}: {len(paths):,} pictures, WebP quality {quality}, {size / 1e6:.1f} MB\n")
    return 0 if size <= arguments.megabytes * 1e6 else 1


if __name__ == "__main__":
    sys.exit(main())
