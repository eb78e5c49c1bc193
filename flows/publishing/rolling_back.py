"""Publish an earlier version again."""

from __future__ import annotations

import datetime as dt

from flows.common.errors import NothingPublished, UsageError
from flows.common.locking import refresh_lock
from flows.common.paths import StudyPaths
from flows.publishing import publish


def roll_back(paths: StudyPaths, version: str | None) -> str:
    """Switch readers to `version`, or to the one before the published one; returns what was done.

    Raises
    ------
    NothingPublished
        No version is kept.
    UsageError
        The version does not exist, or none is older than the published one.
    Busy
        A refresh is running.
    """
    now = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    with refresh_lock(paths.lock_file, refresh_id=f"rollback {now}"):
        kept, current = publish.versions(paths), publish.current_version(paths)
        if current is None:
            raise NothingPublished("there is no version to go back to", next_step="run `alliance refresh`")
        older = [name for name in kept if name < current]
        wanted = version or (older[-1] if older else None)
        if wanted is None:
            raise UsageError(f"no version older than {current} is kept", next_step="`alliance versions` lists them")
        if wanted not in kept:
            raise UsageError(f"version {wanted} is not kept", next_step="`alliance versions` lists those that are")
        publish.switch(paths, wanted)
    return f"published is now {wanted} (was {current})"
