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

from analysis.component_stream import FirstPass, first_pass
from analysis.component_study import ComponentSettings
from analysis.study_rows import KEYS, Rows, Whole
from flows.analysing.rows import FORMS, cells_of, session_parameters
from flows.database import plain_text

MOST_ROWS_HELD = 100_000
"""An item set with more rows of a rater is read as a stream, and further analyses take a sample of about as many."""

MOST_ROWS_SCORED = 1_000_000
"""With more rows only the sample has scores in results.component_scores."""

ROWS_AT_ONCE = 32_768

# The site is a condition of both tables, since each is laid out by site. A pseudonym's hash is as good as a draw.
_TAKEN = FORMS.replace("and forms.n_answered > 0", "and forms.n_answered > 0 and forms.site_id = $site and ({chosen})")
_ANSWERED = "having count(*) filter (where answer.item_id in (select unnest($items))) > 0"

_VALUES = (
    _TAKEN
    + """
select {cells}
from taken join alliance.core.item_responses as answer using (form_id)
where answer.keyed_value is not null and answer.site_id = $site
group by taken.unit_id
"""
    + _ANSWERED
    + "{order}"
)

_ROWS = (
    _TAKEN
    + """
select
    taken.unit_id, min(taken.client_id) as client_id, min(taken.dyad_id) as dyad_id,
    min(taken.therapist_id) as therapist_id, min(taken.site_id) as site_id,
    case when $is_mean then null else min(taken.session_id) end as session_id, max(taken.form_date) as form_date,
    {cells}
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
        self._con = con.cursor()
        self._is_mean = session_rule == "mean"
        self._asked = {
            "rater": rater,
            "items": list(items),
            "instruments": list(instruments),
            **session_parameters(session_rule),
        }
        self._cells = cells_of(items, session_rule)
        self._sites = self._with_forms()
        self._passes: dict[tuple[str, str], FirstPass] = {}

    def _with_forms(self) -> list[str]:
        found = self._con.execute("select distinct site_id from alliance.core.forms order by site_id").fetchall()
        return [str(site) for (site,) in found]

    def answers(self) -> Iterator[np.ndarray]:
        """(n, p) chunks of answers, NaN where missing."""
        # Whole-number answers add up exactly in any order; means of sessions do not.
        order = " order by taken.unit_id" if self._is_mean else ""
        for batch in self._batches(_VALUES, order=order):
            yield np.column_stack([_floats(batch.column(place)) for place in range(len(self.items))])

    def rows(self) -> Iterator[Rows]:
        """The same rows with who they are of, ordered by site and pseudonym."""
        for batch in self._batches(_ROWS):
            yield self._as_rows(batch.to_pandas())

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
        parts = [self._as_rows(batch.to_pandas()) for batch in self._batches(_ROWS, chosen=chosen)]
        sums = self.first_pass(settings)
        answers = pd.concat([part.answers for part in parts], ignore_index=True)
        keys = pd.concat([part.keys for part in parts], ignore_index=True)
        return Rows(answers, keys, Whole(people, sums.answered.n_complete, sums.correlated.digest()))

    def _batches(self, query: str, *, order: str = "", chosen: str = "true") -> Iterator[pa.RecordBatch]:
        made = query.format(cells=self._cells, order=order, chosen=chosen)
        for site in self._sites:
            yield from self._con.execute(made, self._at(site)).to_arrow_reader(ROWS_AT_ONCE)

    def _at(self, site: str) -> dict[str, object]:
        return {**self._asked, "site": site}

    def _as_rows(self, found: pd.DataFrame) -> Rows:
        return Rows(found[list(self.items)].astype(float), plain_text(found[list(KEYS)]))


def rows_at_most(con: duckdb.DuckDBPyConnection, *, rater: str, instruments: tuple[str, ...]) -> int:
    """More rows than this an analysis of ``instruments`` cannot have: dyads with any answer, whatever the session."""
    found = con.execute(_AT_MOST, {"rater": rater, "instruments": list(instruments)}).fetchone()
    return int(found[0]) if found else 0


def _floats(column: pa.Array) -> np.ndarray:
    return column.to_numpy(zero_copy_only=False).astype(float, copy=False)
