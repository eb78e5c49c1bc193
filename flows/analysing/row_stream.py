"""Rows of a rater and set of items, site by site, some at a time: for studies with more rows than are held at once.

DuckDB makes each site's rows within its memory limit and hands them over in batches. A site is one range of the answers
as they lie in the file, so that every pass reads each answer once.
"""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd

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
_PLACES = """
, places as (
    select unnest($items) as item_id, cast(generate_subscripts($items, 1) - 1 as smallint) as place
)
"""

# One row per answer, not a column per item: a filter per item would be asked of every answer. Units are numbered before
# their answers come, of which there are many times more: what is joined and sorted then are small numbers.
_VALUES = (
    _TAKEN
    + _PLACES
    + """
, numbered as (
    select form_id, cast(dense_rank() over (order by unit_id) as integer) as unit from taken
)
select numbered.unit, places.place, cast({value} as double) as value
from alliance.core.item_responses as answer
join numbered using (form_id)
join places using (item_id)
where answer.keyed_value is not null and answer.site_id = $site
{group}
order by numbered.unit
"""
)

# Of one session a unit has one form of an instrument, and one answer to each of its items.
_OF_ONE = {"value": "answer.keyed_value", "group": ""}
_OF_SEVERAL = {"value": cell_of("mean"), "group": "group by numbered.unit, places.place"}

_FILLED = (
    _TAKEN
    + _PLACES
    + """
, filled as (
    select form_id, count(places.place) > 0 as holds_items
    from taken
    join alliance.core.item_responses as answer using (form_id)
    left join places using (item_id)
    where answer.keyed_value is not null and answer.site_id = $site
    group by form_id
)
"""
)

_KEYS = (
    _FILLED
    + """
select
    taken.unit_id, min(taken.client_id) as client_id, min(taken.dyad_id) as dyad_id,
    min(taken.therapist_id) as therapist_id, min(taken.site_id) as site_id,
    case when $is_mean then null else min(taken.session_id) end as session_id, max(taken.form_date) as form_date
from taken join filled using (form_id)
group by taken.unit_id
having bool_or(filled.holds_items)
order by taken.unit_id
"""
)

# A dyad has one client and one therapist, so that units need not be made for counting them.
_PEOPLE = (
    _FILLED
    + """
select count(distinct unit_id), count(distinct client_id), count(distinct therapist_id)
from taken join filled using (form_id)
where filled.holds_items
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
        self._answer = _OF_SEVERAL if self._is_mean else _OF_ONE
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
                    waiting.append(plain_text(batches.read_next_batch().to_pandas(date_as_object=False)))
                keys = pd.concat(waiting, ignore_index=True)
                keys, waiting = keys.iloc[: len(table)], [keys.iloc[len(table) :]]
                answers = pd.DataFrame(table, columns=list(self.items))
                yield Rows(answers, keys)

    def _tables(self, site: str, chosen: str = "true") -> Iterator[np.ndarray]:
        """(n, p) answers of a site, in order of the pseudonyms, some rows at a time."""
        query = _VALUES.format(chosen=chosen, **self._answer)
        reader = self._con.execute(query, self._at(site)).to_arrow_reader(ROWS_AT_ONCE * len(self.items))
        held: list[np.ndarray] = []
        for batch in reader:
            come = [batch.column(at).to_numpy(zero_copy_only=False) for at in range(3)]
            held = [np.concatenate(pair) for pair in zip(held, come, strict=True)] if held else come
            # The last row may go on in the batch that has come.
            whole = int(np.searchsorted(held[0], held[0][-1]))
            if whole:
                yield self._table(*(column[:whole] for column in held))
            held = [column[whole:] for column in held]
        if held:
            yield self._table(*held)

    def _table(self, unit: np.ndarray, place: np.ndarray, value: np.ndarray) -> np.ndarray:
        """(n, p) answers from numbers of unit and item, in order of the units, and the answers to them."""
        row = unit - unit[0]
        # Item by item, as they are summed.
        table = np.full((len(self.items), row[-1] + 1), np.nan)
        table[place, row] = value
        # A unit whose answers are all to other items is none of these rows.
        answered = np.zeros(table.shape[1], dtype=bool)
        answered[row] = True
        return table.T if answered.all() else table[:, answered].T

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
