"""Rows of a rater and set of items, site by site, some at a time: for studies with more rows than are held at once.

DuckDB makes each site's rows within its memory limit and hands them over in batches. A site is one range of the answers
as they lie in the file, so that every pass reads each answer once.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.common.study_rows import Rows, Whole
from analysis.components.component_stream import FirstPass, first_pass
from analysis.components.component_study import ComponentSettings
from flows.analysing.rows import FORMS, cell_of, session_parameters
from flows.common.database import plain_text

MOST_ROWS_HELD = 100_000
"""An item set with more rows of a rater is read as a stream, and further analyses take a sample of about as many."""

MOST_ROWS_SCORED = 1_000_000
"""With more rows only the sample has scores in results.component_scores."""

ROWS_AT_ONCE = 32_768

# The site is a condition of both tables, since each is laid out by site. A pseudonym's hash is as good as a draw.
_TAKEN = FORMS.replace("and forms.n_answered > 0", "and forms.n_answered > 0 and forms.site_id = $site and ({chosen})")
_ANSWERED = "having count(*) filter (where answer.item_id in (select unnest($items))) > 0"

# One row per answer, not a column per item: a filter per item would be asked of every answer.
_VALUES = (
    _TAKEN
    + """
, places as (select unnest($items) as item_id, generate_subscripts($items, 1) - 1 as place),
answered as (
    select taken.unit_id, places.place, {cell} as value
    from taken
    join alliance.core.item_responses as answer using (form_id)
    join places using (item_id)
    where answer.keyed_value is not null and answer.site_id = $site
    group by taken.unit_id, places.place
)
select
    cast(dense_rank() over (order by unit_id) as bigint) as unit, cast(place as bigint) as place,
    cast(value as double) as value
from answered
order by unit
"""
)

_KEYS = (
    _TAKEN
    + """
select
    taken.unit_id, min(taken.client_id) as client_id, min(taken.dyad_id) as dyad_id,
    min(taken.therapist_id) as therapist_id, min(taken.site_id) as site_id,
    case when $is_mean then null else min(taken.session_id) end as session_id, max(taken.form_date) as form_date
from taken join alliance.core.item_responses as answer using (form_id)
where answer.keyed_value is not null and answer.site_id = $site
group by taken.unit_id
"""
    + _ANSWERED
    + """
order by taken.unit_id
"""
)

_PEOPLE = (
    _TAKEN
    + """
, units as (
    select taken.unit_id, min(taken.client_id) as client_id, min(taken.therapist_id) as therapist_id
    from taken join alliance.core.item_responses as answer using (form_id)
    where answer.keyed_value is not null and answer.site_id = $site
    group by taken.unit_id
"""
    + _ANSWERED
    + """
)
select count(*), count(distinct client_id), count(distinct therapist_id) from units
"""
)

_AT_MOST = """
select count(distinct coalesce(dyad_id, client_id)) from alliance.core.forms
where phase = 'therapy' and rater = $rater and instrument_id in (select unnest($instruments)) and n_answered > 0
"""


class SiteRows:
    """The rows of one rater and set of items; every pass goes through the sites in alphabetical order."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        *,
        rater: str,
        items: tuple[str, ...],
        instruments: tuple[str, ...],
        session_rule: str,
        origin: np.ndarray,
    ) -> None:
        self.items, self.origin = items, origin
        # A cursor of its own, so that scores can be written while rows are still coming.
        self._con, self._beside = con.cursor(), con.cursor()
        self._is_mean = session_rule == "mean"
        self._asked = {
            "rater": rater,
            "items": list(items),
            "instruments": list(instruments),
            **session_parameters(session_rule),
        }
        self._cell = cell_of(session_rule)
        self._sites = self._with_forms()
        self._passes: dict[tuple[str, str], FirstPass] = {}

    def _with_forms(self) -> list[str]:
        found = self._con.execute("select distinct site_id from alliance.core.forms order by site_id").fetchall()
        return [str(site) for (site,) in found]

    def answers(self) -> Iterator[np.ndarray]:
        """(n, p) chunks of answers, NaN where missing; ordered by site and pseudonym."""
        for site in self._sites:
            yield from self._tables(site)

    def rows(self, chosen: str = "true") -> Iterator[Rows]:
        """The same rows with who they are of."""
        for site in self._sites:
            query = _KEYS.format(chosen=chosen)
            batches = self._beside.execute(query, self._at(site)).to_arrow_reader(ROWS_AT_ONCE)
            waiting: list[pd.DataFrame] = []
            for table in self._tables(site, chosen):
                while sum(map(len, waiting)) < len(table):
                    waiting.append(plain_text(batches.read_next_batch().to_pandas()))
                keys = pd.concat(waiting, ignore_index=True)
                keys, waiting = keys.iloc[: len(table)], [keys.iloc[len(table) :]]
                answers = pd.DataFrame(table, columns=list(self.items))
                yield Rows(answers, keys)

    def _tables(self, site: str, chosen: str = "true") -> Iterator[np.ndarray]:
        """(n, p) answers of a site, in order of the pseudonyms, some rows at a time."""
        query = _VALUES.format(cell=self._cell, chosen=chosen)
        reader = self._con.execute(query, self._at(site)).to_arrow_reader(ROWS_AT_ONCE * len(self.items))
        held = np.empty((3, 0))
        for batch in reader:
            # The last row may go on in the batch that has come.
            whole = held[0] < held[0, -1:]
            if whole.any():
                yield self._table(held[:, whole])
            held = np.hstack([held[:, ~whole], [_floats(batch.column(at)) for at in range(3)]])
        if held.size:
            yield self._table(held)

    def _table(self, read: np.ndarray) -> np.ndarray:
        """(n, p) answers from (3, m) numbers of row and item, in order of the rows, and the answers to them."""
        row, place = read[:2].astype(np.int64)
        # Item by item, as they are summed.
        table = np.full((len(self.items), row[-1] - row[0] + 1), np.nan)
        table[place, row - row[0]] = read[2]
        return table.T

    def people(self) -> dict[str, int]:
        """n_rows, n_clients, n_therapists and n_sites. Ids are of one site each, so those of several sites add up."""
        found = [
            self._con.execute(_PEOPLE.format(chosen="true"), self._at(site)).fetchone() or (0, 0, 0)
            for site in self._sites
        ]
        rows, clients, therapists = (sum(int(one[place]) for one in found) for place in range(3))
        n_sites = sum(bool(one[0]) for one in found)
        return {"n_rows": rows, "n_clients": clients, "n_therapists": therapists, "n_sites": n_sites}

    def first_pass(self, settings: ComponentSettings) -> FirstPass:
        """The sums of the first pass, read once for settings that need the same."""
        key = settings.missing, settings.correlation
        if key not in self._passes:
            self._passes[key] = first_pass(self, settings)
        return self._passes[key]

    def sample(self, settings: ComponentSettings, most: int = MOST_ROWS_HELD) -> Rows:
        """About ``most`` rows chosen by the hash of their pseudonym, so that they are the same in every refresh, with
        what they stand for."""
        people = self.people()
        share = min(most / max(people["n_rows"], 1), 1.0)
        below = f"{int(share * 0xFFFFFFFF):08x}"
        chosen = f"md5(coalesce(forms.dyad_id, forms.client_id))[:8] <= '{below}'"
        parts = list(self.rows(chosen))
        sums = self.first_pass(settings)
        answers = pd.concat([part.answers for part in parts], ignore_index=True)
        keys = pd.concat([part.keys for part in parts], ignore_index=True)
        return Rows(answers, keys, Whole(people, sums.answered.n_complete, sums.correlated.digest()))

    def _at(self, site: str) -> dict[str, object]:
        return {**self._asked, "site": site}


def rows_at_most(con: duckdb.DuckDBPyConnection, *, rater: str, instruments: tuple[str, ...]) -> int:
    """More rows than this an analysis of ``instruments`` cannot have: dyads with any answer, whatever the session."""
    found = con.execute(_AT_MOST, {"rater": rater, "instruments": list(instruments)}).fetchone()
    return int(found[0]) if found else 0


def _floats(column: pa.Array) -> np.ndarray:
    return column.to_numpy(zero_copy_only=False).astype(float, copy=False)
