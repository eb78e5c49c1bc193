"""Rows of a rater and set of items, some at a time: for studies with more rows than are held at once.

A site is one range of the answers as they lie in the file, so that a pass over its forms reads its answers once. A
site with more forms than are numbered and sorted at once is gone through in portions, each of them the clients of one
remainder of the hash, so that a dyad's forms are together; each portion looks through the site's answers again. DuckDB
has the same small memory for it, however many rows there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import duckdb
import numpy as np
import pandas as pd

from analysis.common.study_rows import Rows, Whole
from analysis.components.component_stream import FirstPass, first_pass
from analysis.components.component_study import ComponentSettings
from flows.analysing.rows import FORMS, session_parameters
from flows.common.database import plain_text
from flows.common.memory import at_most

MOST_ROWS_HELD = 100_000
"""An item set with more rows of a rater is read as a stream, and further analyses take a sample of about as many."""

MOST_ROWS_SCORED = 1_000_000
"""With more rows only the sample has scores in results.component_scores."""

FORMS_AT_ONCE = 125_000
"""Forms that are numbered, and whose answers are sorted, at once."""

CELLS_AT_ONCE = 2**16
"""Answers in a batch of DuckDB."""

MEMORY = 32_000_000
"""What DuckDB sorts and joins in while rows are passing, in bytes for each of its threads (of two at least), unless the
study allows it less."""

# The site is a condition of both tables, since each is laid out by site; cast, so that other sites' ranges are skipped.
_SITE = "cast($site as alliance.core.site_id)"

# One row per answer, not a column per item: a filter per item would be asked of every answer. Units are numbered before
# their answers come, of which there are many times more: what is joined and sorted then are small numbers.
_NUMBERED = (
    "create or replace temp table numbered as "
    + FORMS.replace(
        "and forms.n_answered > 0",
        f"and forms.n_answered > 0 and forms.site_id = {_SITE}"
        # In bigints: the remainder of a bigint by an integer is a hugeint's, and ten times as slow.
        " and hash(forms.client_id) % cast($portions as ubigint) = cast($portion as ubigint) and ({chosen})",
    )
    + "select form_id, cast(dense_rank() over (order by unit_id) as integer) as unit from taken"
)

_VALUES = f"""
with places as (
    select unnest($items) as item_id, cast(generate_subscripts($items, 1) - 1 as smallint) as place
)
select numbered.unit, places.place, cast(answer.keyed_value as double) as value
from alliance.core.item_responses as answer
join numbered using (form_id)
join places using (item_id)
where answer.keyed_value is not null and answer.site_id = {_SITE}
order by {{order}}
"""

# Of one session a unit has one form of an instrument, and one answer to each of its items. Of several, averages of
# numbers that are not whole depend on their order.
_OF_ONE = "numbered.unit"
_OF_SEVERAL = "numbered.unit, places.place, answer.form_id"

_KEYS = f"""
select
    coalesce(min(forms.dyad_id), min(forms.client_id)) as unit_id, min(forms.client_id) as client_id,
    min(forms.dyad_id) as dyad_id, min(forms.therapist_id) as therapist_id,
    cast(min(forms.site_id) as varchar) as site_id,
    case when not $is_mean then min(coalesce(cast(forms.session_id as varchar), forms.occasion)) end as session_id,
    max(forms.form_date) as form_date
from numbered join alliance.core.forms as forms using (form_id)
where forms.site_id = {_SITE}
group by numbered.unit
order by numbered.unit
"""

# A dyad has one client and one therapist, so that units need not be made for counting them.
_PEOPLE = f"""
select count(distinct forms.client_id), list(distinct forms.therapist_id)
from numbered join alliance.core.forms as forms using (form_id)
where numbered.unit in (select unit from answered) and forms.site_id = {_SITE}
"""

_WITH_FORMS = """
select cast(site_id as varchar), count(*) from alliance.core.forms
where phase = 'therapy' and rater = $rater and instrument_id in (select unnest($instruments)) and n_answered > 0
group by site_id order by 1
"""

_AT_MOST = """
select count(distinct coalesce(dyad_id, client_id)) from alliance.core.forms
where phase = 'therapy' and rater = $rater and instrument_id in (select unnest($instruments)) and n_answered > 0
"""


@dataclass(frozen=True)
class _Portion:
    """The forms of a site, or of those of its clients whose hash has one remainder."""

    site: str
    number: int
    of: int


@dataclass(frozen=True)
class _Numbered:
    """A portion of a ``site`` whose forms are numbered on ``con``; ``give_back`` ends the bound on its memory."""

    con: duckdb.DuckDBPyConnection
    site: str
    give_back: Callable[[], None]

    def ask(self, query: str, asked: dict[str, object]) -> duckdb.DuckDBPyConnection:
        """The executed query: in little memory or, where that does not do, in what the study allows."""
        try:
            return self.con.execute(query, asked)
        except duckdb.OutOfMemoryException:
            self.give_back()
            return self.con.execute(query, asked)


@dataclass
class _People:
    """How many people rows are of, added up while they pass. Ids are of one site each, and a client of one portion."""

    n_rows: int = 0
    n_clients: int = 0
    n_sites: int = 0
    n_therapists: int = 0
    _site: str = ""
    _therapists: set[str] = field(default_factory=set)

    def add(self, portion: _Numbered, units: np.ndarray) -> None:
        """Count the ``units`` (n,) of a portion."""
        portion.con.register("answered", pd.DataFrame({"unit": units}))
        n_clients, therapists = portion.ask(_PEOPLE, {"site": portion.site}).fetchall()[0]
        portion.con.unregister("answered")
        if portion.site != self._site:
            self.n_sites, self._site, self._therapists = self.n_sites + 1, portion.site, set()
        new = {one for one in therapists if one is not None} - self._therapists
        self.n_rows, self.n_clients = self.n_rows + len(units), self.n_clients + n_clients
        self.n_therapists += len(new)
        self._therapists |= new

    def counts(self) -> dict[str, int]:
        """n_rows, n_clients, n_therapists and n_sites."""
        return {name: getattr(self, name) for name in ("n_rows", "n_clients", "n_therapists", "n_sites")}


class SiteRows:
    """The rows of one rater and set of items; every pass goes through the sites in alphabetical order, and through
    each of a site's portions in the order of the pseudonyms."""

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
        self._con = con
        self._session = session_parameters(session_rule)
        self._asked: dict[str, object] = {"rater": rater, "instruments": list(instruments)}
        self._portions = self._portioned()
        self._passes: dict[tuple[str, str], FirstPass] = {}
        self._people: _People | None = None

    def _portioned(self) -> list[_Portion]:
        found = self._con.execute(_WITH_FORMS, self._asked).fetchall()
        return [
            _Portion(site, number, portions)
            for site, n_forms in found
            for portions in [-(-n_forms // FORMS_AT_ONCE)]
            for number in range(portions)
        ]

    def answers(self) -> Iterator[np.ndarray]:
        """(n, p) chunks of answers, NaN where missing; ordered by site, portion and pseudonym."""
        counter = None if self._people else _People()
        for portion in self._numbered():
            units: list[np.ndarray] = []
            for unit, table in self._tables(portion):
                units.append(unit)
                yield table
            if counter is not None and units:
                counter.add(portion, np.concatenate(units))
        self._people = self._people or counter

    def rows(self, chosen: str = "true") -> Iterator[Rows]:
        """The same rows with who they are of, or those of the forms that fulfil the SQL condition ``chosen``."""
        for portion in self._numbered(chosen):
            asked = {"is_mean": self._session["is_mean"], "site": portion.site}
            keys = portion.ask(_KEYS, asked).to_arrow_table()
            for unit, table in self._tables(portion):
                answers = pd.DataFrame(table, columns=list(self.items))
                yield Rows(answers, plain_text(keys.take(unit - 1).to_pandas(date_as_object=False)))

    def _numbered(self, chosen: str = "true") -> Iterator[_Numbered]:
        """Portion by portion, with its forms and their units numbered."""
        threads = int(self._con.execute("select current_setting('threads')").fetchall()[0][0])
        # A connection of each pass's own: passes may be gone through beside each other, and scores written meanwhile.
        with at_most(self._con, MEMORY * max(threads, 2)) as give_back, closing(self._con.cursor()) as con:
            for portion in self._portions:
                numbered = _Numbered(con, portion.site, give_back)
                which = {"site": portion.site, "portion": portion.number, "portions": portion.of}
                numbered.ask(_NUMBERED.format(chosen=chosen), {**self._asked, **self._session, **which})
                yield numbered

    def _tables(self, portion: _Numbered) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(n,) numbers of the units and their (n, p) answers, of a portion that is numbered, some rows at a time."""
        query = _VALUES.format(order=_OF_SEVERAL if self._session["is_mean"] else _OF_ONE)
        asked: dict[str, object] = {"items": list(self.items), "site": portion.site}
        reader = portion.ask(query, asked).to_arrow_reader(CELLS_AT_ONCE)
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

    def _table(self, unit: np.ndarray, place: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) units and their (n, p) answers, from the unit, item and value of each answer, in order of the units."""
        first, row = unit[0], unit - unit[0]
        # Item by item, as they are summed.
        shape = len(self.items), int(row[-1]) + 1
        if self._session["is_mean"]:
            # Not by the database, which holds all answers of each average at once.
            cell = place * np.int64(shape[1]) + row
            times = np.bincount(cell, minlength=shape[0] * shape[1])
            sums = np.bincount(cell, weights=value, minlength=len(times))
            table = np.divide(sums, times, out=np.full(len(times), np.nan), where=times > 0).reshape(shape)
        else:
            table = np.full(shape, np.nan)
            table[place, row] = value
        # A unit whose answers are all to other items is none of these rows.
        answered = np.zeros(table.shape[1], dtype=bool)
        answered[row] = True
        return first + np.flatnonzero(answered), table.T if answered.all() else table[:, answered].T

    def people(self) -> dict[str, int]:
        """n_rows, n_clients, n_therapists and n_sites, counted in the first pass through all rows."""
        if self._people is None:
            deque(self.answers(), maxlen=0)
        return (self._people or _People()).counts()

    def first_pass(self, settings: ComponentSettings) -> FirstPass:
        """The sums of the first pass, read once for settings that need the same."""
        key = settings.missing, settings.correlation
        if key not in self._passes:
            self._passes[key] = first_pass(self, settings)
        return self._passes[key]

    def sample(self, settings: ComponentSettings, most: int = MOST_ROWS_HELD) -> Rows:
        """About ``most`` rows chosen by the hash of their pseudonym, so that they are the same in every refresh, with
        what they stand for."""
        sums, people = self.first_pass(settings), self.people()
        share = min(most / max(people["n_rows"], 1), 1.0)
        below = f"{int(share * 0xFFFFFFFF):08x}"
        parts = list(self.rows(f"md5(coalesce(forms.dyad_id, forms.client_id))[:8] <= '{below}'"))
        answers = pd.concat([part.answers for part in parts], ignore_index=True)
        keys = pd.concat([part.keys for part in parts], ignore_index=True)
        return Rows(answers, keys, Whole(people, sums.answered.n_complete, sums.correlated.digest()))


def rows_at_most(con: duckdb.DuckDBPyConnection, *, rater: str, instruments: tuple[str, ...]) -> int:
    """More rows than this an analysis of ``instruments`` cannot have: dyads with any answer, whatever the session."""
    found = con.execute(_AT_MOST, {"rater": rater, "instruments": list(instruments)}).fetchone()
    return int(found[0]) if found else 0
