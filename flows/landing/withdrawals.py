"""``withdrawals.csv``: clients who withdrew their consent. Their cells are counted as withdrawn, everywhere.

What cannot be read here is critical: publishing a person who withdrew is worse than publishing nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

import pyarrow as pa

from flows.common.paths import StudyPaths
from flows.common.problems import Problem, Severity
from flows.landing.pseudonyms import BLANKS, pseudonym
from flows.landing.store import LandingStore
from flows.settings.settings_types import clean_column_name
from flows.settings.study import Study

_SCHEMA = pa.schema([("site_id", pa.string()), ("client_id", pa.string()), ("reason", pa.string())])


def land_withdrawals(study: Study, paths: StudyPaths, store: LandingStore, key: bytes) -> list[Problem]:
    """Replace ``raw.withdrawals`` by what ``withdrawals.csv`` says now, pseudonymised; no file is no withdrawal.

    Returns the problems found. Call it after `flows.landing.pseudonyms.update_pseudonyms`, so that clients nobody
    delivered can be told.
    """
    problems: list[Problem] = []
    rows: dict[tuple[str, str], str] = {}
    made = {
        row[0] for row in store.con.execute("select pseudonym from raw.pseudonyms where kind = 'client'").fetchall()
    }
    for row_number, site_id, client, reason in _of_known_sites(study, paths, store, problems):
        client_id = pseudonym(key, site_id, "client", client)
        if client_id not in made:
            problems.append(
                _told(
                    "withdrawal_of_unknown_client",
                    row_number,
                    "No delivery of the site has this client's id so far.",
                    "Check the id; it must be written as in the deliveries.",
                    "warning",
                    site_id,
                )
            )
        rows[site_id, client_id] = reason
    table = [{"site_id": site, "client_id": client, "reason": reason} for (site, client), reason in rows.items()]
    store.write_layout({"withdrawals": pa.Table.from_pylist(table, schema=_SCHEMA)})
    return problems


def withdrawal_problems(study: Study, paths: StudyPaths, store: LandingStore) -> list[Problem]:
    """What is wrong with ``withdrawals.csv`` as it stands, without a key; changes nothing."""
    problems: list[Problem] = []
    for _ in _of_known_sites(study, paths, store, problems):
        pass
    return problems


def _of_known_sites(
    study: Study, paths: StudyPaths, store: LandingStore, problems: list[Problem]
) -> Iterator[tuple[int, str, str, str]]:
    # A site that has left may return, and then what its clients withdrew must still be withdrawn.
    left = {row[0] for row in store.con.execute("select distinct site_id from raw.deliveries").fetchall()}
    known = {*study.sites, *study.invalid_sites, *left}
    for row in _withdrawals(paths, problems):
        row_number, site_id, _, _ = row
        if site_id in known:
            yield row
            continue
        problems.append(
            _told(
                "withdrawal_of_unknown_site",
                row_number,
                "The row names a site that the study does not have.",
                "Write the site's id as in its site file.",
            )
        )


def _withdrawals(paths: StudyPaths, problems: list[Problem]) -> Iterator[tuple[int, str, str, str]]:
    """Row number, site, client and reason of every row that names a client."""
    if not paths.withdrawals_file.exists():
        return
    try:
        text = paths.withdrawals_file.read_text(encoding="utf-8-sig")
        lines = text.splitlines(keepends=True)
        delimiter = ";" if lines and ";" in lines[0] and "," not in lines[0] else ","
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except (OSError, UnicodeError, csv.Error):
        problems.append(
            _told(
                "withdrawals_not_readable",
                None,
                "The file cannot be read as comma-separated utf-8.",
                "Save it as CSV in utf-8 with the columns site, client, date, reason.",
            )
        )
        return
    names = [clean_column_name(name).lower() for name in rows[0]] if rows else []
    if "site" not in names or "client" not in names:
        problems.append(
            _told(
                "withdrawals_not_readable",
                1,
                "The header does not name the columns site and client.",
                "Give it the columns site, client, date, reason.",
            )
        )
        return
    for row_number, row in enumerate(rows[1:], start=2):
        cells = dict(zip(names, (cell.strip(BLANKS) for cell in row), strict=False))
        if not any(cells.values()):
            continue
        if not cells.get("site") or not cells.get("client"):
            problems.append(
                _told(
                    "withdrawal_incomplete",
                    row_number,
                    "The row lacks the site or the client.",
                    "Name both, or delete the row.",
                )
            )
            continue
        yield row_number, cells["site"], cells["client"], cells.get("reason", "")


def _told(
    problem: str,
    row_number: int | None,
    message: str,
    action: str,
    severity: Severity = "critical",
    site_id: str = "",
) -> Problem:
    return Problem(site_id, "withdrawals.csv", row_number, None, problem, message, action, severity)
