"""A study nobody made for this software: nine sites with other formats, languages and instruments than the demo's.

Everything that the files say is written down beside them, computed here from the numbers before they were written and
by the keys of the published instruments, so that each value of the warehouse can be held against it.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

BLANK, CODED, REFUSED = "blank", "declared_missing", "rejected"
# Reverse-keyed items and ranges as published (see docs/reference/codebook.md for the sources), not read from the seeds.
REVERSED = {
    "wai_s": {4, 10},
    "haq_ii": {4, 8, 11, 16, 19},
    "oq_45": {1, 12, 13, 20, 21, 24, 31, 37, 43},
    "core_om": {3, 4, 7, 12, 19, 21, 31, 32},
    "calpas": {1, 14, 17, 6, 8, 2, 5, 9, 13, 19, 22},
    "verlauf": {2},
}
RANGES = {
    "wai_s": (1, 7), "wai_sr": (1, 5), "wai_srt": (1, 5), "haq_ii": (1, 6), "oq_45": (0, 4), "core_om": (0, 4),
    "phq_9": (0, 3), "gad_7": (0, 3), "srs": (0, 10), "calpas": (1, 7), "verlauf": (0, 10),
    "target_complaints": (1, 13),
}  # fmt: skip
ITEMS = {
    "wai_s": 12, "wai_sr": 12, "wai_srt": 10, "haq_ii": 19, "oq_45": 45, "core_om": 34, "phq_9": 9, "gad_7": 7,
    "srs": 4, "calpas": 24, "verlauf": 3, "target_complaints": 3,
}  # fmt: skip
TOTALS_ARE_SUMS = {"oq_45", "phq_9", "gad_7", "srs"}
CODEBOOK = {
    "instruments.csv": "instrument_id,domain,min_value,max_value,step,higher_is\nverlauf,outcome,0,10,0,worse\n",
    "items.csv": "instrument_id,item_number,reverse_keyed\nverlauf,1,false\nverlauf,2,true\nverlauf,3,false\n",
    "scales.csv": "instrument_id,scale_id\nverlauf,total\n",
    "scale_items.csv": "instrument_id,scale_id,item_number\nverlauf,total,1\nverlauf,total,2\nverlauf,total,3\n",
}
STUDY = {
    "study": "foreign",
    "title": "Nine sites",
    "sessions": [{"session": "early", "numbers": [1, 4], "target": 3}, {"session": "late", "numbers": [5, 40]}],
    "pairing_max_days": 20,
    "analyses": {"bootstrap": 0, "min_rows": 100_000},
}
Answer = float | str


@dataclass(frozen=True)
class Form:
    """One form as it should be in the warehouse; ``answers`` are as administered, or BLANK, CODED, REFUSED."""

    site: str
    client: str
    therapist: str | None
    episode: str | None
    instrument: str
    rater: str
    phase: str
    occasion: str
    date: dt.date | None
    answers: dict[int, Answer]
    scores: dict[str, float] = field(default_factory=dict)

    def keyed(self, item: int) -> float | None:
        """The answer in which more means more of what is measured."""
        value = self.answers[item]
        if isinstance(value, str):
            return None
        low, high = RANGES[self.instrument]
        return low + high - value if item in REVERSED.get(self.instrument, ()) else value

    def total(self) -> float | None:
        """The total by the rule: at least 80 of 100 items answered, the rest filled by their mean."""
        keyed = [each for each in map(self.keyed, self.answers) if each is not None]
        if not keyed or len(keyed) < 0.8 * ITEMS[self.instrument] - 1e-9:
            return self.scores.get("total")
        mean = sum(keyed) / len(keyed)
        return mean * ITEMS[self.instrument] if self.instrument in TOTALS_ARE_SUMS else mean


class Foreign:
    """The study's folder, filled site by site, and what should come of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.forms: list[Form] = []
        self.random = np.random.default_rng(20)
        for name in ("sites", "codebook"):
            (folder / name).mkdir(parents=True)
        (folder / "study.yml").write_text(yaml.safe_dump(STUDY))
        for name, text in CODEBOOK.items():
            (folder / "codebook" / name).write_text(text)

    def site(self, site: str, **file: Any) -> None:
        """Write a site file with one kind of file."""
        (self.folder / "deliveries" / site).mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump({"site": site, "name": site.title(), "files": [{"name": "data", **file}]})
        (self.folder / "sites" / f"{site}.yml").write_text(text, encoding="utf-8")

    def path(self, site: str, name: str) -> Path:
        """A delivery's path."""
        return self.folder / "deliveries" / site / name

    def answers(self, instrument: str, decimals: int | None = None) -> dict[int, Answer]:
        """Random answers to all items of an instrument."""
        low, high = RANGES[instrument]
        n = ITEMS[instrument]
        if decimals is not None:
            drawn = [round(float(each), decimals) for each in self.random.uniform(low, high, n)]
        else:
            drawn = [float(each) for each in self.random.integers(low, high + 1, n)]
        return dict(enumerate(drawn, start=1))

    def note(self, site: str, client: str, therapist: str | None, instrument: str, **rest: Any) -> Form:
        """Write down a form."""
        usual: dict[str, Any] = {"episode": None, "rater": "client", "phase": "therapy", "occasion": "3", "date": None}
        form = Form(site=site, client=client, therapist=therapist, instrument=instrument, **{**usual, **rest})
        self.forms.append(form)
        return form


def cells(answers: dict[int, Answer], written: Callable[[float], Any], words: dict[str, Any]) -> list[Any]:
    """Answers as a file has them; ``words`` says how BLANK, CODED and REFUSED are written."""
    return [words[each] if isinstance(each, str) else written(each) for _, each in sorted(answers.items())]


def write_csv(path: Path, rows: Iterable[list[Any]], encoding: str = "utf-8", **options: Any) -> None:
    """Delimited text."""
    with path.open("w", encoding=encoding, newline="") as handle:
        csv.writer(handle, **options).writerows(rows)


def number(value: float) -> str:
    """A number as text."""
    return f"{value:g}"


def make(folder: Path) -> Foreign:
    """The whole study."""
    from tests.e2e.foreign_sites import SITES

    study = Foreign(folder)
    for make_site in SITES:
        make_site(study)
    return study
