"""A finding: one answerable question of the reference paper, answered in a sentence with its numbers.

How an answer is judged, once for all questions. A claim is `supported` when its p value, adjusted within its declared
family, is below .05. It is `not_supported` when it is not, and the interval also excludes an effect of .30 (a medium
correlation, Cohen 1988) either way: the data then speak against all but small effects. Otherwise they are too few to
say, and the status is `cannot_tell`, as where the estimate could not be made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from analysis.common.wording import several

LEVEL = 0.05
MEDIUM = 0.30
SUPPORTED, NOT_SUPPORTED, CANNOT_TELL = "supported", "not_supported", "cannot_tell"

KEYS = {
    "outcome_effects": (
        *("outcome", "outcome_rater", "model", "predictor", "term", "interval_method", "overlap_left_out"),
    ),
    "agreement": ("scope", "subject", "other_subject", "rater", "statistic", "interval_method"),
    "emphasis": ("level", "subject", "measure"),
    "site_effects": ("effect", "level", "site_id", "method"),
    "components": ("component",),
    "correspondence": ("instrument_id", "scale_id", "component", "measure"),
}
"""The columns that, after analysis_id, make up the key of a row, joined by / in results.finding_rows."""

Row = dict[str, Any]


@dataclass(frozen=True)
class RowKey:
    """A row of `results` that a finding rests on, and what it gives to the sentence."""

    role: str
    table: str
    analysis_id: str
    key: str


@dataclass(frozen=True)
class Finding:
    """One line. ``finding_id`` is stable between refreshes, so that a changed answer can be told from a new one."""

    finding_id: str
    question: str
    sentence: str
    status: str
    analysis_id: str
    reason: str | None = None
    figures: Row = field(default_factory=dict)
    rests_on: tuple[RowKey, ...] = ()


def row_key(table: str, row: Row, role: str) -> RowKey:
    """The key of ``row`` as results.finding_rows has it: as DuckDB's concat_ws writes these columns."""
    return RowKey(role, table, row["analysis_id"], "/".join(_key_text(row[name]) for name in KEYS[table]))


def _key_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def judged(row: Row | None, *, bound: float | None = MEDIUM) -> tuple[str, str | None]:
    """Status and, where it is not plain from the numbers, why; ``bound`` None where the estimate has no common unit."""
    if row is None:
        return CANNOT_TELL, "There is no estimate."
    if row["status"] not in ("ok", "boundary") or not known(row["estimate"]):
        return CANNOT_TELL, row["reason"] or "There is no estimate."
    if not known(row["p_holm"]):
        return CANNOT_TELL, "There is no test."
    if row["p_holm"] < LEVEL:
        return SUPPORTED, None
    if bound is None:
        return NOT_SUPPORTED, None
    if known(row["lower"]) and known(row["upper"]) and max(abs(row["lower"]), abs(row["upper"])) < bound:
        return NOT_SUPPORTED, None
    return CANNOT_TELL, f"The interval does not exclude an effect of {number(bound)}: too few data to say."


def known(value: Any) -> bool:
    """Whether there is a number."""
    return value is not None and isinstance(value, int | float) and math.isfinite(value)


def number(value: Any, digits: int = 2) -> str:
    """A number as the field prints those that cannot pass 1: ``.24``, ``-.08``; ``not known`` without one."""
    if not known(value):
        return "not known"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def p_value(value: Any) -> str:
    """``.012``, or ``< .001``."""
    if not known(value):
        return "not known"
    return "< .001" if value < 0.001 else number(value, 3)


def interval(row: Row, digits: int = 2) -> str:
    """`, 95 % CI .08 to .39`, or nothing where there is none.

    What takes few values, as the likeness of two groupings does, can be one and the same in nearly all resamples.
    """
    if not (known(row.get("lower")) and known(row.get("upper"))):
        return ""
    if row["lower"] == row["upper"]:
        return ", the same in nearly all resamples"
    return f", 95 % CI {number(row['lower'], digits)} to {number(row['upper'], digits)}"


def tested(row: Row) -> str:
    """`.24, 95 % CI .08 to .39, adjusted p .012`: an estimate, its interval and its test."""
    return f"{number(row['estimate'])}{interval(row)}, adjusted p {p_value(row['p_holm'])}"


def people(row: Row) -> str:
    """`, 133 dyads of 58 therapists, 6 sites`; `, 12 dyads, 1 site` where no therapist is known."""
    if not row.get("n_rows"):
        return ""
    return f", {dyads_of(row['n_rows'], row.get('n_therapists'))}, {several(row.get('n_sites') or 0, 'site')}"


def dyads_of(n_dyads: int, n_therapists: int | None) -> str:
    """`133 dyads of 58 therapists`, or the dyads alone where no therapist is known."""
    return several(n_dyads, "dyad") + (f" of {several(n_therapists, 'therapist')}" if n_therapists else "")


def figures_of(row: Row | None, **more: Any) -> Row:
    """The numbers of the main row, for the columns of results.findings."""
    names = ("estimate", "lower", "upper", "n_rows", "n_clients", "n_therapists", "n_sites")
    return {name: (row or {}).get(name) for name in names} | {"p_adjusted": (row or {}).get("p_holm")} | more


def by_status(status: str, yes: str, no: str, unknown: str) -> str:
    """What the sentence says with this status, such as its verb."""
    return {SUPPORTED: yes, NOT_SUPPORTED: no, CANNOT_TELL: unknown}[status]
