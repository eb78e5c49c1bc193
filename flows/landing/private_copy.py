"""Reading a delivered file once, safely: only regular files, no links, and exactly the bytes the hash names.

Readers work on a private copy. Its hash is taken while it is written, so a file that changes under the copying is
told by its hash and not loaded; and libraries that want a path never meet a site's file names.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

_CHUNK = 1 << 20
_PREFIX = "incoming-"


class NotRegular(OSError):
    """A link, folder, pipe, socket or device where a file is expected."""


class ChangedWhileReading(OSError):
    """The file's bytes are not those that were hashed before."""


def content_hash(path: Path) -> tuple[str, int]:
    """SHA-256 of a file as hex digits, and its size in bytes.

    Raises
    ------
    NotRegular
        ``path`` is no regular file.
    ChangedWhileReading
        Size or time of change moved while it was read.
    OSError
        It cannot be read.
    """
    with _opened(path) as descriptor:
        before = os.fstat(descriptor)
        digest = hashlib.sha256()
        size = 0
        while chunk := os.read(descriptor, _CHUNK):
            digest.update(chunk)
            size += len(chunk)
        after = os.fstat(descriptor)
    if size != before.st_size or _state(before) != _state(after):
        raise ChangedWhileReading
    return digest.hexdigest(), size


def copy_private(path: Path, target: Path, expected_hash: str) -> None:
    """Copy ``path`` to the new file ``target`` (mode 0600).

    Raises
    ------
    ChangedWhileReading
        What was copied is not what was hashed; the copy is removed.
    OSError
        It cannot be read or written.
    """
    digest = hashlib.sha256()
    with _opened(path) as descriptor:
        out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(out, "wb") as copy:
            while chunk := os.read(descriptor, _CHUNK):
                digest.update(chunk)
                copy.write(chunk)
    if digest.hexdigest() != expected_hash:
        target.unlink()
        raise ChangedWhileReading


@contextmanager
def private_folder(work_dir: Path) -> Iterator[Path]:
    """A folder of this process's own below ``work_dir`` (mode 0700), gone when done; those of killed processes too.

    Without ``work_dir`` (a study that was never refreshed), or where that may not be written, it is made where the
    system keeps temporary files.
    """
    for left in work_dir.glob(f"{_PREFIX}*"):
        if not _is_alive(left.name.removeprefix(_PREFIX).split("-")[0]):
            rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(
        prefix=f"{_PREFIX}{os.getpid()}-", dir=work_dir if os.access(work_dir, os.W_OK) else None
    ) as folder:
        yield Path(folder)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    # Non-blocking: opening a pipe nobody writes to would wait for ever.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    if not stat.S_ISREG(path.lstat().st_mode):
        raise NotRegular
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotRegular
        yield descriptor
    finally:
        os.close(descriptor)


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _is_alive(process: str) -> bool:
    if not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
