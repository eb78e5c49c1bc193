"""What holds for one form of a file, once the file's settings and the form's own are put together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flows.settings.codebook import Codebook
from flows.settings.settings_types import Phase, Rater, clean_column_name, expand_items
from flows.settings.site_models import (
    DateSource,
    EpisodeSource,
    FileSettings,
    FormSettings,
    RaterSource,
    RowFilter,
    SessionSource,
)


@dataclass(frozen=True, slots=True)
class Target:
    """A column name (wide) or item code (long) and the item or scale it holds; exactly one of the two is set."""

    name: str
    item_number: int | None
    scale_id: str | None


@dataclass(frozen=True)
class FormSources:
    """The effective settings of one form: its own where it has any, else the file's.

    ``missing`` holds codes as they are compared: trimmed and in lower case. A form outside therapy takes no session
    from its file: a column that numbers sessions says nothing about a questionnaire before or after them.
    """

    index: int
    block_name: str
    form: FormSettings
    shape: str
    client: str | None
    therapist: str | None
    episode: EpisodeSource | None
    session: SessionSource | None
    date: DateSource | None
    missing: dict[str, str]

    @property
    def instrument_id(self) -> str:
        """The instrument."""
        return self.form.instrument

    @property
    def phase(self) -> Phase:
        """pre, therapy, post or followup."""
        return self.form.phase

    @property
    def rater(self) -> RaterSource:
        """Where the rater comes from."""
        return self.form.rater

    @property
    def raters(self) -> tuple[Rater, ...]:
        """Every rater the form may have."""
        return self.form.rater.raters

    @property
    def only_rows(self) -> RowFilter | None:
        """The records that hold the form."""
        return self.form.only_rows

    def targets(self, codebook: Codebook) -> Iterator[Target]:
        """Every column name or item code that the form names, with a pattern written out for all items."""
        items = self.form.items
        if isinstance(items, str):
            for item in codebook.items(self.instrument_id):
                yield Target(clean_column_name(expand_items(items, item.item_number)), item.item_number, None)
        elif isinstance(items, dict):
            for name, number in items.items():
                yield Target(name, number, None)
        elif items is not None:
            for item, column in zip(codebook.items(self.instrument_id), items, strict=False):
                if column is not None:
                    yield Target(column, item.item_number, None)
        for scale_id, name in self.form.scores.items():
            yield Target(name, None, scale_id)

    def key_columns(self) -> Iterator[tuple[str, str, bool]]:
        """Columns other than items and scores: role, name, and whether a form means something else without it.

        Without its therapist or date a form is still the same form of the same client and session; without any of
        the others it would be taken for another one.
        """
        sources: tuple[tuple[str, str | None, bool], ...] = (
            ("client", self.client, True),
            ("therapist", self.therapist, False),
            ("episode", self.episode.column if self.episode else None, True),
            ("rater", self.rater.column, True),
            ("session", self.session.column if self.session else None, True),
            ("date", self.date.column if self.date else None, False),
            ("filter", self.only_rows.column if self.only_rows else None, True),
        )
        for role, name, needed in sources:
            if name is not None:
                yield role, name, needed

    def never_meets(self, other: FormSources) -> bool:
        """Whether no record can hold both forms, by what their ``only_rows`` say."""
        mine, theirs = self.only_rows, other.only_rows
        if mine is None or theirs is None or mine.column != theirs.column:
            return False
        return not {each.strip() for each in mine.values} & {each.strip() for each in theirs.values}


def form_sources(file: FileSettings) -> tuple[FormSources, ...]:
    """The forms of a file, each with what holds for it; ``block_name`` is unique within the file."""
    resolved: list[FormSources] = []
    used: dict[str, int] = {}
    for index, form in enumerate(file.forms):
        name = f"{form.instrument}_{form.rater.value or 'by_column'}_{form.phase}"
        used[name] = used.get(name, 0) + 1
        inherited = file.session if form.phase == "therapy" else None
        client, therapist = form.client or file.client, form.therapist or file.therapist
        codes = {**_compared(file.missing), **_compared(form.missing)}
        resolved.append(
            FormSources(
                index=index,
                block_name=name if used[name] == 1 else f"{name}_{used[name]}",
                form=form,
                shape=file.shape,
                client=client.column if client else None,
                therapist=therapist.column if therapist else None,
                episode=form.episode or file.episode,
                session=form.session or inherited,
                date=form.date or file.date,
                missing=codes,
            )
        )
    return tuple(resolved)


def _compared(codes: dict[str, str]) -> dict[str, str]:
    return {code.strip().lower(): reason for code, reason in codes.items()}
