"""The rows of an analysis with who they are of, and what an analysis hands back: frames of tidy rows and a status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from analysis.common.status import AnalysisError, Status
from analysis.common.wording import several

KEYS = ("unit_id", "client_id", "dyad_id", "therapist_id", "site_id", "session_id", "form_date")


@dataclass(frozen=True, eq=False)
class Whole:
    """What a sample of rows stands for: how many people and complete rows there are, and a digest of all answers."""

    counts: Mapping[str, int]
    n_complete: int
    digest: str


@dataclass(frozen=True, eq=False)
class Rows:
    """Keyed answers of one rater to one set of items: one row per dyad, or per client where a form has no dyad.

    answers: (n, p) keyed values, columns are item ids, NaN where missing. keys: (n,) rows of :data:`KEYS`; dyad_id,
    therapist_id, session_id (where sessions are averaged) and form_date may be missing. Both have the index 0..n-1.
    ``whole`` is there when these are a sample of more rows than are held at once.
    """

    answers: pd.DataFrame
    keys: pd.DataFrame
    whole: Whole | None = None

    @cached_property
    def clusters(self) -> np.ndarray:
        """(n,) what rows are drawn by: the therapist, or the client where no therapist is known."""
        return self.keys["therapist_id"].fillna(self.keys["client_id"]).to_numpy(dtype=object)

    @property
    def n_complete(self) -> int:
        """Rows without a missing answer."""
        return int(self.answers.notna().all(axis=1).sum()) if self.answers.shape[1] else 0

    @property
    def people(self) -> dict[str, int]:
        """n_rows, n_clients, n_therapists and n_sites of all rows, also of those that a sample stands for."""
        return self.counts() if self.whole is None else dict(self.whole.counts)

    @property
    def sampled(self) -> tuple[str, ...]:
        """A sentence that these are a sample, for the warnings of what is made from them; none where they are all."""
        n_rows = self.people["n_rows"]
        if self.whole is None or n_rows <= len(self.keys):
            return ()
        return (f"Of {n_rows} rows {len(self.keys)} were used, chosen by the hash of their pseudonyms.",)

    def counts(self, used: np.ndarray | None = None) -> dict[str, int]:
        """n_rows, n_clients, n_therapists and n_sites behind the rows, or behind those marked in ``used`` (n,)."""
        return count_people(self.keys if used is None else self.keys[used])


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What one analysis found: rows for result tables by the table's name, and how it ended.

    ``facts`` are numbers for the registry (n_items, n_components, items_left_out, ...). ``reason`` is one sentence
    when the status is not ``ok``. ``streams`` are further rows for tables, part by part, where there are too many to
    hold; they can be gone through once.
    """

    frames: Mapping[str, pd.DataFrame]
    status: str
    reason: str | None = None
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    streams: Mapping[str, Iterable[pd.DataFrame]] = field(default_factory=dict)


def count_people(keys: pd.DataFrame) -> dict[str, int]:
    """n_rows, n_clients, n_therapists and n_sites of rows that name them."""
    return {
        "n_rows": len(keys),
        "n_clients": int(keys["client_id"].nunique()),
        "n_therapists": int(keys["therapist_id"].nunique()),
        "n_sites": int(keys["site_id"].nunique()),
    }


def require_rows(n: int, least: int) -> None:
    """Raises :class:`AnalysisError` (``no_data``, ``too_few_rows``) when there are fewer than ``least`` rows."""
    if n == 0:
        raise AnalysisError("No form of this rater holds an answer to these items.", Status.NO_DATA)
    if n < least:
        raise AnalysisError(
            f"{several(n, 'row')}; the study asks for at least {least} for an analysis.", Status.TOO_FEW_ROWS
        )


def verdict(parts: Sequence[Any]) -> tuple[str, str | None, tuple[str, ...]]:
    """Status, reason and warnings of an analysis made of ``parts`` that each have ``status`` and ``warnings``.

    The status is the most serious one, the reason the first sentence of the part that has it.
    """
    order = list(Status)
    worst = max(parts, key=lambda part: order.index(Status(part.status)))
    warnings = tuple(dict.fromkeys(sentence for part in parts for sentence in part.warnings))
    if worst.status == Status.OK:
        return Status.OK.value, None, warnings
    reason = worst.warnings[0] if worst.warnings else f"It ended as {str(worst.status).replace('_', ' ')}."
    return Status(worst.status).value, reason, warnings
