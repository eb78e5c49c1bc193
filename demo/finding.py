"""Finds every piece of the demo's dirt in a built warehouse, in the table where a user would look for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from demo.dirt import KINDS

Asked = tuple[str, list[Any]]

# Each finder gives a query over the published tables and its parameters; the query counts what it finds.
_DELIVERY = "(select delivery_number from quality.deliveries where site_id = ? and file_name = ?)"


def find_dirt(study: Path, warehouse: Path) -> pd.DataFrame:
    """Looks for every piece of ``study/truth/dirt.csv`` in a warehouse made of that study.

    Returns
    -------
    DataFrame
        The rows of dirt.csv with ``n_found`` (cells, columns, forms or rows of ``table``, by kind) and ``is_found``.

    Raises
    ------
    FileNotFoundError
        ``study`` is no demo study with dirt.
    duckdb.Error
        ``warehouse`` is no warehouse.
    """
    dirt = pd.read_csv(study / "truth" / "dirt.csv", dtype=str, keep_default_na=False)
    pieces = [{str(key): str(value) for key, value in row.items()} for row in dirt.to_dict("records")]
    found = []
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for piece in pieces:
            query, parameters = _FINDERS.get(piece["kind"], _BY_TABLE.get(piece["table"], _in_file))(piece)
            row = connection.execute(query, parameters).fetchone()
            found.append(int(row[0]) if row and row[0] is not None else 0)
    dirt["n_found"] = found
    least = [int(piece["cells"]) if piece["kind"] in _BY_CELLS else 1 for piece in pieces]
    dirt["is_found"] = dirt["n_found"] >= pd.Series(least, index=dirt.index)
    return dirt


def _file(piece: dict[str, str]) -> list[Any]:
    return [piece["site"], piece["file"]]


def _in_file(piece: dict[str, str]) -> Asked:
    return f"select count(*) from quality.deliveries where delivery_number = {_DELIVERY} and n_cells > 0", _file(piece)


def _rejected_cell(piece: dict[str, str]) -> Asked:
    return (
        f"select count(*) from quality.rejected_cells where delivery_number = {_DELIVERY} and row_number = ?"
        " and column_number = ? and reason = ?",
        [*_file(piece), int(piece["row"]), int(piece["column_number"]), piece["reason"]],
    )


def _rejected_record(piece: dict[str, str]) -> Asked:
    return (
        f"select count(*) from quality.rejected_cells where delivery_number = {_DELIVERY} and row_number = ?"
        " and reason = ?",
        [*_file(piece), int(piece["row"]), piece["reason"]],
    )


def _response(piece: dict[str, str]) -> Asked:
    return (
        f"select count(*) from core.item_responses where delivery_number = {_DELIVERY} and row_number = ?"
        " and column_number = ? and status = ?",
        [*_file(piece), int(piece["row"]), int(piece["column_number"]), piece["status"]],
    )


def _responses_of_file(piece: dict[str, str]) -> Asked:
    return (
        f"select count(*) from core.item_responses where delivery_number = {_DELIVERY} and status = ?"
        " and column_number = coalesce(try_cast(? as integer), column_number)",
        [*_file(piece), piece["status"], piece["column_number"]],
    )


def _column(piece: dict[str, str]) -> Asked:
    # A piece that is one remark in a row still shows as its column's role.
    return (
        f"select count(*) from quality.delivery_columns where delivery_number = {_DELIVERY} and column_number = ?"
        " and role = ?",
        [*_file(piece), int(piece["column_number"]), piece["reason"]],
    )


def _accounted(piece: dict[str, str]) -> Asked:
    return (
        f"select {piece['status']} from quality.cell_accounting where delivery_number = {_DELIVERY}",
        _file(piece),
    )


def _dated_forms(piece: dict[str, str]) -> Asked:
    return (
        f"select count(*) from core.forms where delivery_number = {_DELIVERY} and form_date between '2022-01-01' and"
        " '2024-12-31' and rater in ('client', 'therapist')",
        _file(piece),
    )


def _session_forms(piece: dict[str, str]) -> Asked:
    return (
        f"select count(*) from core.forms where delivery_number = {_DELIVERY} and session_id is not null"
        " and (? <> 'redcap_repeating' or rater = 'therapist')",
        [*_file(piece), piece["kind"]],
    )


def _scores(piece: dict[str, str]) -> Asked:
    # Only a comma read as the decimal mark gives scores that are no whole numbers and within the scale.
    return (
        "select count(*) from core.outcomes as outcomes inner join core.forms as forms"
        f" on outcomes.form_id = forms.form_id where forms.delivery_number = {_DELIVERY}"
        " and outcomes.instrument_id = 'scl_90_r' and outcomes.score <> floor(outcomes.score) and outcomes.score <= 4",
        _file(piece),
    )


def _pattern(piece: dict[str, str]) -> Asked:
    return (
        "select count(*) from quality.response_patterns as patterns inner join core.forms as forms"
        f" on patterns.form_id = forms.form_id where forms.delivery_number = {_DELIVERY} and forms.row_number = ?"
        " and contains(patterns.flags, ?)",
        [*_file(piece), int(piece["row"]), piece["reason"]],
    )


def _shared_answers(piece: dict[str, str]) -> Asked:
    return (
        "select count(*) from quality.response_patterns as mine"
        " inner join core.forms as forms on mine.form_id = forms.form_id"
        " inner join quality.response_patterns as theirs"
        " on mine.answers_key = theirs.answers_key and mine.form_id <> theirs.form_id"
        " and mine.instrument_id = theirs.instrument_id"
        f" where forms.delivery_number = {_DELIVERY} and forms.row_number = ?",
        [*_file(piece), int(piece["row"])],
    )


def _orphan(piece: dict[str, str]) -> Asked:
    return (
        "select count(*) from quality.orphan_forms where site_id = ? and reason = ? and rater <> ?",
        [piece["site"], piece["reason"], piece["rater"]],
    )


def _landing_problem(piece: dict[str, str]) -> Asked:
    return (
        "select count(*) from quality.landing_problems where site_id = ? and file_name = ? and problem = ?",
        [*_file(piece), piece["reason"]],
    )


def _check(piece: dict[str, str]) -> Asked:
    return (
        "select count(*) from quality.check_results where site_id = ? and check_id = ? and numerator >= 1"
        " and status <> 'pass'",
        [piece["site"], piece["check_id"]],
    )


def _two_therapists(piece: dict[str, str]) -> Asked:
    return "select count(*) from core.clients where site_id = ? and n_therapists = 2", [piece["site"]]


def _client_of_row(piece: dict[str, str]) -> Asked:
    # The id itself is not published; its row is, and so is the pseudonym that was made of it.
    return (
        "select count(*) from core.clients as clients inner join core.forms as forms"
        f" on clients.client_id = forms.client_id where forms.delivery_number = {_DELIVERY}"
        " and forms.row_number between ? and ? + 46",
        [*_file(piece), int(piece["row"]), int(piece["row"])],
    )


_BY_TABLE: dict[str, Callable[[dict[str, str]], Asked]] = {
    "quality.rejected_cells": _rejected_cell,
    "core.item_responses": _response,
    "quality.delivery_columns": _column,
    "quality.cell_accounting": _accounted,
    "quality.landing_problems": _landing_problem,
    "quality.orphan_forms": _orphan,
    "quality.check_results": _check,
}
_FINDERS: dict[str, Callable[[dict[str, str]], Asked]] = {
    "client_id_blank": _rejected_record,
    "label_answers": _responses_of_file,
    "signed_answers": _responses_of_file,
    "spss_value_labels": _responses_of_file,
    "already_reversed": _responses_of_file,
    "straight_lining": _pattern,
    "identical_answers": _shared_answers,
    "two_therapists": _two_therapists,
    "id_looks_like_number": _client_of_row,
    "id_looks_like_missing": _client_of_row,
    "decimal_commas": _scores,
    "excel_serial_dates": _dated_forms,
    "redcap_events": _session_forms,
    "redcap_repeating": _session_forms,
}
# Kinds whose `cells` are counted one by one in their table.
_BY_CELLS = {
    *(kind for kind, meaning in KINDS.items() if meaning.table == "quality.cell_accounting"),
    "client_id_blank",
}
