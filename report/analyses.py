"""The analyses of this refresh: what each took in, how it ended, and how others name its components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from report import words
from report.content import Block, Cell, Fold, Section, Text, foldable, table
from report.warehouse import Row, Warehouse

_ANALYSES = """
select analysis_id, kind, item_set, rater, session_rule, missing_rule, correlation, extraction, rotation, n_components,
    n_components_rule, score_method, salience, confidence, seed, n_bootstrap, settings, n_rows, n_rows_complete,
    n_clients, n_therapists, n_sites, n_items, items_left_out, unverified_keys, fingerprint, status, reason, warnings
from results.analyses order by kind, item_set, rater, analysis_id
"""

_LABELS = "select analysis_id, component, suggested_label from results.components where component > 0"

_PREFERRED_INTERVALS = ("cluster_cr2", "cluster_jackknife", "bootstrap_therapist")


@dataclass(frozen=True)
class Analysis:
    """One row of the registry."""

    row: Row

    def __getattr__(self, name: str) -> Any:
        try:
            return self.row[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def is_ok(self) -> bool:
        """Whether it ended without anything standing in the way."""
        return bool(self.row["status"] == "ok")

    @property
    def title(self) -> str:
        """Item set and rater in words."""
        what = "All instruments joined" if self.item_set == "joint" else self.item_set or "Scale scores"
        who = "client and therapist" if self.rater == "both" else self.rater
        return f"{what}, {who}"

    @property
    def based_on(self) -> tuple[str, ...]:
        """Ids of the analyses it rests on, as its settings name them."""
        settings = words.from_json(self.settings, {})
        named = settings.get("based_on")
        return tuple(str(one) for one in named) if isinstance(named, list) else ()

    @property
    def n(self) -> str:
        """Rows and people in words."""
        return (
            f"n = {words.count_of(self.n_rows or 0, 'row')} of {words.count_of(self.n_clients or 0, 'client')} with "
            f"{words.count_of(self.n_therapists or 0, 'therapist')} at {words.count_of(self.n_sites or 0, 'site')}"
        )

    def said(self) -> list[Block]:
        """Status and warnings as paragraphs; none when there is nothing to say."""
        blocks: list[Block] = []
        if not self.is_ok:
            blocks.append(Text(f"Status: {words.ended(self.status, self.reason)}", "warning"))
        return [*blocks, *self.notes()]

    def notes(self, few: int = 4) -> list[Block]:
        """Warnings, unverified keys and items left out; behind a summary when there are more than ``few``."""
        notes = [str(one) for one in words.from_json(self.warnings, [])]
        doubtful = [str(one) for one in words.from_json(self.unverified_keys, [])]
        if doubtful:
            notes.append(f"The analysis uses the unverified scoring key of {words.listed(doubtful)}.")
        left_out = words.from_json(self.items_left_out, {})
        if left_out:
            named = [f"{item} ({words.plain(str(why))})" for item, why in sorted(left_out.items())]
            notes.append(f"Items left out: {words.listed(named)}.")
        if not notes:
            return []
        texts: tuple[Block, ...] = tuple(Text(note) for note in notes)
        if len(notes) <= few:
            return [Text(f"To be read with care: {' '.join(notes)}", "notice")]
        return [Fold(f"{self.title}: {words.count_of(len(notes), 'note')} to read it with care", texts)]


@dataclass(frozen=True)
class Registry:
    """All analyses, and the labels suggested for components."""

    analyses: tuple[Analysis, ...]
    labels: dict[tuple[str, int], str]

    @property
    def level(self) -> str:
        """The level of the intervals with a blank after it; empty when analyses differ in it."""
        levels = {one.confidence for one in self.analyses} - {None}
        return f"{100 * levels.pop():g} % " if len(levels) == 1 else ""

    def of_kind(self, kind: str) -> list[Analysis]:
        """The analyses of one kind, in the order of the registry."""
        return [one for one in self.analyses if one.kind == kind]

    def label(self, analysis_id: str, component: int) -> str:
        """Number and suggested label of a component of a component analysis."""
        suggested = self.labels.get((analysis_id, component), "")
        short = suggested.split(" (")[0].strip()
        return f"{component} {short}" if short else f"{component}"

    def components_of(self, analysis: Analysis, rater: str) -> str:
        """Id of the component analysis of ``rater`` that ``analysis`` rests on; empty when there is none."""
        found = [one for one in self.of_kind("components") if one.rater == rater]
        named = [one for one in found if one.analysis_id in analysis.based_on]
        same_set = [one for one in found if one.item_set == analysis.item_set]
        return next((one.analysis_id for one in named + same_set), "")


def read_registry(warehouse: Warehouse) -> Registry:
    """The registry of the file."""
    labels = {(row["analysis_id"], row["component"]): row["suggested_label"] or "" for row in warehouse.rows(_LABELS)}
    return Registry(tuple(Analysis(row) for row in warehouse.rows(_ANALYSES)), labels)


def best_interval(rows: list[Row]) -> Row:
    """Of the rows of one estimate the one whose interval respects that clients of a therapist are alike, if there is
    such a row; else the first with an interval by name."""

    def rank(row: Row) -> tuple[int, bool, str]:
        method = row["interval_method"] or ""
        known = _PREFERRED_INTERVALS.index(method) if method in _PREFERRED_INTERVALS else len(_PREFERRED_INTERVALS)
        return known, row["lower"] is None, method

    return min(rows, key=rank)


def about_intervals(rows: list[Row], registry: Registry) -> str:
    """What kind of intervals the rows have, in words."""
    methods = sorted({row["interval_method"] for row in rows if row["interval_method"]})
    if methods and all(method in _PREFERRED_INTERVALS for method in methods):
        return f"{registry.level}intervals that allow for clients of one therapist being alike"
    if not methods:
        return "no intervals"
    return f"{registry.level}intervals ({words.listed([words.plain(method) for method in methods])})"


def estimate_with_interval(row: Row | None, digits: int = 2) -> str:
    """An estimate with its interval in brackets."""
    if row is None or row["estimate"] is None:
        return words.NOTHING
    text = words.number(row["estimate"], digits)
    return text if row["lower"] is None else f"{text} ({words.interval(row['lower'], row['upper'], digits)})"


def status_cell(status: str | None, reason: str | None = None) -> Cell:
    """How something ended; toned when it is not ok."""
    return Cell(words.ended(status, reason), "" if status == "ok" else "warning")


def short_status(row: Row) -> Cell:
    """How a row ended in a word, for tables whose rows share their reasons; :func:`reasons_of` gives them once."""
    return Cell(words.plain(row["status"]), "" if row["status"] == "ok" else "warning")


def reasons_of(rows: list[Row], name: str = "") -> str:
    """Why rows are not ok, each reason once, with the content of the column ``name`` of the rows it holds for; empty
    when all are ok."""
    said: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["status"] not in (None, "ok"):
            said.setdefault(words.ended(row["status"], row["reason"]), {})[str(row[name]) if name else ""] = None
    return " ".join(
        f"{text.rstrip('.')} ({words.listed(list(names))})." if name else text if text.endswith(".") else f"{text}."
        for text, names in said.items()
    )


def section(registry: Registry) -> Section:
    """Every analysis with its input and how it ended, also those that could not run."""
    if not registry.analyses:
        text = (
            "No analysis has run. `analyses` in `study.yml` says which ones a refresh runs; they need forms to run on."
        )
        return Section("analyses", "Analyses", (Text(text, "empty"),))
    not_ok = [one for one in registry.analyses if not one.is_ok]
    blocks: list[Block] = []
    if not_ok:
        blocks.append(
            table(
                "Analyses with another status than ok",
                ["Analysis", "Rows#", "Status", "Reason"],
                [
                    (
                        one.analysis_id,
                        words.count(one.n_rows),
                        Cell(words.plain(one.status), "warning"),
                        one.reason or "",
                    )
                    for one in not_ok
                ],
            )
        )
    else:
        blocks.append(
            Text(f"All {words.count_of(len(registry.analyses), 'analysis', 'analyses')} ended as ok.", "good")
        )
    blocks.append(
        foldable(
            table(
                "Registry of analyses",
                ["Analysis", "Kind", "Items", "Rater", "Session", "Rows#", "Clients#", "Therapists#", "Sites#"]
                + ["Bootstrap#", "Seed#", "Input", "Status"],
                [_registered(one) for one in registry.analyses],
                "Input is the beginning of the fingerprint of the data as analysed: equal input and settings give "
                "equal results. `results.analyses` has all settings and package versions.",
            ),
            limit=0,
        )
    )
    return Section("analyses", "Analyses", tuple(blocks))


def _registered(one: Analysis) -> tuple[str | Cell, ...]:
    return (
        one.analysis_id,
        words.plain(one.kind),
        one.item_set or "scales",
        one.rater or words.NOTHING,
        words.plain(one.session_rule),
        *[words.count(one.row[name]) for name in ("n_rows", "n_clients", "n_therapists", "n_sites", "n_bootstrap")],
        words.NOTHING if one.seed is None else str(one.seed),
        (one.fingerprint or "")[:10] or words.NOTHING,
        status_cell(one.status),
    )
