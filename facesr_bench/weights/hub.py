"""`hf:owner/repo/file@revision`: a file of the Hugging Face hub, through huggingface_hub, which is optional."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from facesr_bench.base.errors import WeightsError, first_line

SCHEME = "hf:"
_FORM = re.compile(r"hf:([\w-][\w.-]*/[\w-][\w.-]*)/((?:[\w-][\w.-]*/)*[\w-][\w.-]*)(?:@([\w./-]+))?")


@dataclass(frozen=True)
class HubFile:
    """One file of a repository; `revision`: a commit, branch or tag, or None for what it holds now."""

    repo: str
    file: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> HubFile:
        """What `hf:owner/repo/file@revision` names.

        Raises:
            WeightsError: it is not of this form.
        """
        found = _FORM.fullmatch(text)
        if found is None or ".." in text.split("/"):
            raise WeightsError(f"{text}: expected hf:owner/repo/path/to/file, with @REVISION behind it")
        return cls(*found.groups())

    @property
    def name(self) -> str:
        """The file's own name, without folders."""
        return self.file.rpartition("/")[2]


def is_hub(text: str) -> bool:
    """Whether a text names a file of the Hugging Face hub."""
    return text.startswith(SCHEME)


def fetch(text: str, target: Path) -> str:
    """Get a file of the hub (of `HF_ENDPOINT`, where that is set) into `target`.

    Returns:
        Where it came from, with the commit that was fetched: what a pin remembers.

    Raises:
        WeightsError: huggingface_hub is not installed, or the file can't be had; says why.
    """
    wanted = HubFile.parse(text)
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    except ImportError as error:
        raise WeightsError(f"{text}: needs huggingface_hub: pip install 'facesr-bench[hub]'") from error
    endpoint = os.environ.get("HF_ENDPOINT") or None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        url = hf_hub_url(wanted.repo, wanted.file, revision=wanted.revision, endpoint=endpoint)
        commit = get_hf_file_metadata(url).commit_hash
        if commit is None:
            raise WeightsError(f"{text}: the hub does not say which commit it would send")
        with TemporaryDirectory(prefix=".hub-", dir=target.parent) as folder:
            path = hf_hub_download(
                wanted.repo, wanted.file, revision=commit, endpoint=endpoint, local_dir=folder, force_download=True
            )
            shutil.move(path, target)
    except WeightsError:
        raise
    except Exception as error:  # huggingface_hub and its HTTP client have a class of their own for each cause
        raise WeightsError(f"{endpoint or 'huggingface.co'}: {type(error).__name__}: {first_line(error)}") from error
    return f"{SCHEME}{wanted.repo}/{wanted.file}@{commit}"
