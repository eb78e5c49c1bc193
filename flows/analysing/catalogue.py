"""What a build offers for analysis: instruments with responses, their items and scales, and the sets made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import pandas as pd

from analysis.components.item_facts import ItemFacts
from flows.common.database import text_frame
from flows.settings.analysis_settings import AnalysisSettings

JOINT = "joint"

_ITEMS = """
select item_id, instrument_id, reverse_keyed, theme, overlaps_outcome, min_value, max_value
from alliance.core.items order by instrument_id, item_number
"""
_SCALES = """
select instrument_id, scale_id, kind, item_id
from alliance.core.scale_items join alliance.core.scales using (instrument_id, scale_id)
order by instrument_id, scale_number, item_id
"""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Instruments and items of the build, from `core`.

    ``items``: item_id, instrument_id, reverse_keyed, theme, overlaps_outcome, min_value, max_value, by item id.
    ``scales``: instrument_id, scale_id, kind, item_id: one row per item of a scale. ``rated``: the alliance
    instruments each rater has answered. ``unverified``: instruments whose key is not confirmed to be right.
    """

    items: pd.DataFrame
    scales: pd.DataFrame
    rated: Mapping[str, tuple[str, ...]]
    unverified: frozenset[str]
    theme_names: Mapping[str, str]

    @property
    def all_rated(self) -> tuple[str, ...]:
        """The alliance instruments that any rater has answered, in alphabetical order."""
        return tuple(sorted({instrument for each in self.rated.values() for instrument in each}))

    def item_facts(self) -> ItemFacts:
        """Themes, subscales, ranges and orientation of all items, for the analyses."""
        ranges = zip(self.items["min_value"], self.items["max_value"], strict=True)
        subscales = self.scales[self.scales["kind"] == "subscale"].drop_duplicates("item_id")
        names = subscales["instrument_id"] + "." + subscales["scale_id"]
        divided = self.scales.loc[self.scales["kind"] == "subscale", "instrument_id"]
        whole = self.scales[~self.scales["instrument_id"].isin(divided)].drop_duplicates("item_id")
        themes = {str(item): str(theme) for item, theme in self.items["theme"].dropna().items()}
        return ItemFacts(
            themes=themes,
            scales=dict(zip(subscales["item_id"], names, strict=True)),
            ranges=dict(zip(self.items.index, ((float(low), float(high)) for low, high in ranges), strict=True)),
            reversed_items=frozenset(self.items.index[self.items["reverse_keyed"].astype(bool)]),
            theme_names=self.theme_names,
            only_scales=dict(zip(whole["item_id"], whole["instrument_id"] + "." + whole["scale_id"], strict=True)),
        )

    def scale_keys(self, items: tuple[str, ...]) -> dict[str, dict[str, int]]:
        """Items (key 1: values are keyed already) of each scale of which all items are among ``items``."""
        sets: dict[str, dict[str, int]] = {}
        for (instrument, scale), group in self.scales.groupby(["instrument_id", "scale_id"], sort=True):
            members = sorted(group["item_id"])
            if set(members) <= set(items):
                sets[f"{instrument}.{scale}"] = dict.fromkeys(members, 1)
        return sets

    def instruments_of(self, items: tuple[str, ...]) -> tuple[str, ...]:
        """Instruments of ``items``, in alphabetical order."""
        return tuple(sorted(set(self.items.loc[list(items), "instrument_id"])))


@dataclass(frozen=True)
class PlannedSet:
    """Items of one set that one rater can have answered; ``items`` in instrument and item order."""

    name: str
    rater: str
    items: tuple[str, ...]


def read_catalogue(con: duckdb.DuckDBPyConnection, theme_names: Mapping[str, str]) -> Catalogue:
    """The catalogue of the attached database ``alliance``."""
    items = text_frame(con.execute(_ITEMS))
    scales = text_frame(con.execute(_SCALES))
    rated = con.execute(
        "select distinct rater, instrument_id from alliance.core.forms join alliance.core.instruments "
        "using (instrument_id) where domain = 'alliance' and phase = 'therapy' and n_answered > 0 order by all"
    ).fetchall()
    unverified = con.execute("select instrument_id from alliance.core.instruments where status = 'unverified'")
    return Catalogue(
        items.set_index("item_id"),
        scales,
        {rater: tuple(i for r, i in rated if r == rater) for rater in ("client", "therapist")},
        frozenset(row[0] for row in unverified.fetchall()),
        dict(theme_names),
    )


def planned_sets(catalogue: Catalogue, settings: AnalysisSettings) -> tuple[PlannedSet, ...]:
    """Every item set of every rater, set by set in the order of the settings.

    A set or rater without any responses is planned too, with the items it would have, so that its analysis says why
    there is nothing.
    """
    planned: list[PlannedSet] = []
    everyone = catalogue.all_rated
    for item_set in settings.item_sets:
        for rater in settings.raters:
            rated = catalogue.rated.get(rater, ())
            if item_set.name == "each_instrument":
                planned += [PlannedSet(i, rater, _items_of(catalogue, (i,))) for i in everyone]
            elif item_set.name == JOINT:
                planned.append(PlannedSet(JOINT, rater, _items_of(catalogue, rated or everyone)))
            else:
                members = set(_items_of(catalogue, item_set.instruments)) | set(item_set.items)
                ordered = tuple(item for item in catalogue.items.index if item in members)
                planned.append(PlannedSet(item_set.name, rater, ordered))
    return tuple(planned)


def _items_of(catalogue: Catalogue, instruments: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(catalogue.items.index[catalogue.items["instrument_id"].isin(instruments)])
