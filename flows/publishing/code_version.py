"""Which version of the program made a warehouse: the release, and a hash over all that decides about a number."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FOLDERS = ("flows", "analysis", "expectations", "dbt_project")
_SUFFIXES = {".py", ".sql", ".yml", ".csv"}
_NOT_SOURCE = {"target", "logs", "__pycache__"}


@lru_cache(maxsize=1)
def code_version() -> str:
    """Release and source hash, such as ``0.1.0+3fa9c1d2``.

    A warehouse made by other code is built anew from its deliveries: a reused row must be what this code would make.
    """
    digest = hashlib.sha256()
    for folder in _FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in _SUFFIXES and not _NOT_SOURCE.intersection(path.relative_to(ROOT).parts):
                digest.update(str(path.relative_to(ROOT)).encode())
                digest.update(path.read_bytes())
    return f"{_release()}+{digest.hexdigest()[:8]}"


def _release() -> str:
    try:
        return version("alliance-warehouse")
    except PackageNotFoundError:
        return "0"
