"""Bytes that are known already and come again: after others of the same name, or under another name.

The same bytes are never loaded twice, but when they come says what counts. A site that overwrites an export by mistake
and then puts the old one back has taken the mistake back.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace

from flows.common.problems import Problem
from flows.landing.discover import FoundFile
from flows.landing.store import Known, LandingStore


class CameAgain:
    """Deliveries in the order in which they count where no date orders them; ``known`` is kept up to date."""

    def __init__(self, store: LandingStore, known: MutableMapping[tuple[str, str], Known]) -> None:
        self._store, self._known = store, known
        self._last: dict[tuple[str, str], int] = {}
        for (site_id, _), each in known.items():
            name = site_id, each.file_name
            self._last[name] = max(self._last.get(name, 0), each.order)

    def restored(self, found: FoundFile, digest: str) -> Problem | None:
        """Let a delivery count last whose file held others in the meantime, and tell of it; None where it did not."""
        known, name = self._known[found.site_id, digest], (found.site_id, found.file_name)
        if self._last[name] <= known.order:
            return None
        order = self._last[name] = self._store.put_last(known.delivery_number)
        self._known[found.site_id, digest] = replace(known, order=order)
        return Problem.of_file(
            *name,
            "restored",
            f"It holds again the bytes of delivery {known.delivery_number}, which from now on counts as the newest of "
            "this name.",
            "Nothing, if that was on purpose.",
            "info",
        )

    def same_bytes(self, found: FoundFile, known: Known) -> Problem:
        """What to tell of a file that lies beside the one that was loaded with the same bytes."""
        same = f"It holds the same bytes as {known.file_name!r} (delivery {known.delivery_number}), which is loaded"
        between = [
            each.delivery_number
            for (site_id, _), each in self._known.items()
            if (site_id, each.file_spec) == (found.site_id, found.file.name) and _is_between(known, each, found)
        ]
        if found.file.deliveries == "full" and between:
            return Problem.of_file(
                found.site_id,
                found.file_name,
                "same_bytes_again",
                f"{same}; delivery {max(between)}, which came between, still counts as the newer export.",
                "If this file is to replace that one, name that one under `leave_out` in the site's settings; else "
                "remove this file.",
            )
        return Problem.of_file(
            found.site_id,
            found.file_name,
            "same_bytes",
            f"{same}.",
            "Nothing; remove one of the two if both were not meant.",
            "info",
        )


def _is_between(known: Known, each: Known, found: FoundFile) -> bool:
    """Whether a delivery is newer than the one known and no newer than the file found, by the dates in their names."""
    if found.delivered_on is None or each.delivered_on is None or known.delivered_on is None:
        return each.order > known.order
    return known.delivered_on < each.delivered_on <= found.delivered_on
