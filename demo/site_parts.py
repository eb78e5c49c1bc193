"""What the six writers of sites share: the study they write from, and the cells of forms and outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.answers import StudyData
from demo.dirt import Mess
from demo.model import Population
from demo.people import Dyad, Site
from demo.table import FormKey

Cell = str | float | None

RATERS = ("client", "therapist")


@dataclass(frozen=True)
class SitePlan:
    """One site to be written. ``mess`` is None where the study is to be clean; ``folder`` is its deliveries."""

    site: Site
    dyads: tuple[Dyad, ...]
    data: StudyData
    population: Population
    early_sessions: tuple[int, ...]
    folder: Path
    mess: Mess | None

    @property
    def n_early(self) -> int:
        """How many sessions before the last are measured; also the index of the last."""
        return len(self.early_sessions)

    def forms(self, rater: str) -> list[tuple[FormKey, Dyad]]:
        """The alliance forms of a rater, by date of completion."""
        found = [
            (FormKey(dyad.index, session, rater), dyad)
            for dyad in self.dyads
            for session in (dyad.sessions if rater == "client" else dyad.therapist_sessions)
        ]
        return sorted(found, key=lambda each: (each[1].date(each[0].session, rater), each[0]))

    def is_last(self, key: FormKey) -> bool:
        """Whether it is the last session's form."""
        return key.session == self.n_early

    def answers(self, key: FormKey) -> list[int]:
        """The 47 raw answers of a form, as administered."""
        return [int(value) for value in self.data.alliance[key.rater][key.dyad, key.session]]

    def keyed(self, key: FormKey) -> list[int]:
        """The 47 answers with reverse-keyed ones turned round."""
        return [
            low + high - value if item.reverse_keyed else value
            for value, item, (low, high) in zip(
                self.answers(key), self.population.items, self.population.ranges, strict=True
            )
        ]

    def headers(self, wai: str, haq: str, calpas: str) -> list[str]:
        """47 headers from three patterns such as ``WAI {}``."""
        patterns = {"wai_s": wai, "haq_i": haq, "calpas": calpas}
        return [patterns[item.instrument_id].format(item.item_number) for item in self.population.items]

    def topics(self) -> list[str]:
        """Short topics of the 47 items, from the codebook (an item's wording is copyright)."""
        return [str(item.topic) for item in self.population.items]

    def by_therapist(self, dyad: Dyad) -> bool:
        """Whether the therapist rates the dyad's outcome: those who rated the alliance do."""
        return bool(dyad.therapist_sessions)

    def outcome(self, dyad: Dyad, name: str, phase: str, rater: str) -> Sequence[int | float | None]:
        """Answers to one outcome measure, or as many None where it was not taken."""
        values = {
            ("gsi", "pre"): self.data.gsi_pre[:, None],
            ("gsi", "post"): self.data.gsi_post[:, None],
            ("phq_9", "pre"): self.data.phq_pre,
            ("phq_9", "post"): self.data.phq_post,
            ("target_complaints", "pre"): self.data.complaints_pre,
            ("target_complaints", "post"): self.data.complaints_post,
            ("severity_rating", "pre"): self.data.severity_pre,
            ("severity_rating", "post"): self.data.severity_post,
            ("global_rating", "post"): self.data.global_rating[rater],
        }[name, phase][dyad.index]
        taken = (dyad.pre if phase == "pre" else dyad.post) and (rater == "client" or self.by_therapist(dyad))
        return values.tolist() if taken else [None] * len(values)


def text(values: Sequence[int | float | None]) -> list[Cell]:
    """Numbers as the shortest text."""
    return [None if value is None else f"{value:g}" for value in values]


def comma(values: Sequence[int | float | None]) -> list[Cell]:
    """Numbers with a decimal comma and two decimals, as a German spreadsheet writes them."""
    return [None if value is None else f"{value:.2f}".replace(".", ",") for value in values]


def numbered(pattern: str, n: int) -> list[str]:
    """``pattern`` with 1 to n in it."""
    return [pattern.format(number) for number in range(1, n + 1)]
