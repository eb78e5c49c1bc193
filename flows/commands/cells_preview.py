"""What a refresh would make of the cells of each delivery, by the build's own rules: the second half of a check.

Only kinds and counts leave this module, never what a cell holds.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from dataclasses import dataclass

from flows.building.model_sql import Models
from flows.landing.pseudonyms import update_pseudonyms
from flows.landing.schema import codebook_frames
from flows.landing.store import LandingStore
from flows.landing.withdrawals import land_withdrawals
from flows.layout.layout import Layout
from flows.settings.study import Study


@dataclass(frozen=True, slots=True)
class Rejection:
    """Cells of one delivery that would be rejected for one reason.

    ``value_class`` is what kind of text they hold; ``columns`` are names of those they stand in, the most affected
    first; ``first_row`` is where to look.
    """

    reason: str
    value_class: str
    n_cells: int
    columns: tuple[str, ...]
    first_row: int


@dataclass(frozen=True, slots=True)
class CellsPreview:
    """Cells of one delivery's mapped columns, by what would become of them.

    ``n_unknown_codes`` counts records of a long file whose item code no form
    names.
    """

    n_accepted: int
    n_declared_missing: int
    n_blank: int
    n_rejected: int
    n_superseded: int
    n_withdrawn: int
    rejections: tuple[Rejection, ...]
    n_unknown_codes: int = 0


# What of each cell is decided where, and every rejected cell once; the rules are those of the models named here.
_FATES = """
    select
        blocks.delivery_number,
        case when texts.fate = 'single' or decoded.status = 'blank' then decoded.status else texts.fate end,
        sum(n_cells)
    from {{ ref("int_cell_texts") }} as texts
    inner join {{ ref("int_cell_values") }} as decoded using (block_id, binding_number, text)
    inner join {{ ref("stg_blocks") }} as blocks using (block_id)
    where texts.fate <> 'contested' and (texts.fate <> 'rejected' or decoded.status = 'blank')
    group by all
    union all
    select delivery_number, cell_status, count(*) from {{ ref("int_contested_cells") }} group by all
"""

_REJECTED = """
    with rejected as (
        select cells.delivery_number, cells.row_number, cells.column_number, decoded.reason
        from {{ candidate_cells(
            "(select * from " ~ ref("int_candidate_fates") ~ " where fate = 'single')", []
        ) }} as cells
        inner join (from {{ ref("int_cell_values") }} where status = 'rejected') as decoded
            using (block_id, binding_number, text)
        union
        select cells.delivery_number, cells.row_number, cells.column_number, cells.problem
        from {{ candidate_cells(
            "(select * from " ~ ref("int_candidate_fates") ~ " where fate = 'rejected')", ["problem"]
        ) }} as cells
        where {{ is_filled("cells.text") }}
        union
        select delivery_number, row_number, column_number, reason
        from {{ ref("int_contested_cells") }} where cell_status = 'rejected'
        union
        select delivery_number, row_number, column_number, reason from {{ ref("int_key_cell_problems") }}
    ),
    classified as (
        select
            rejected.delivery_number, rejected.row_number, rejected.column_number, min(rejected.reason) as reason,
            any_value({{ value_class(clean_text(cell_at("records.cells", "rejected.column_number"))) }}) as value_class
        from rejected
        inner join raw.records as records using (delivery_number, row_number)
        group by all
    ),
    by_column as (
        select
            delivery_number, reason, column_name, count(*) as n_cells, min(row_number) as first_row,
            case when reason = 'label_unknown' and value_class = 'text' then 'label' else value_class end as value_class
        from classified
        inner join raw.delivery_columns using (delivery_number, column_number)
        group by all
    )
    select
        delivery_number, reason, value_class, sum(n_cells)::bigint,
        list(column_name order by n_cells desc, column_name), min(first_row)
    from by_column
    group by all
    order by 1, 4 desc, 2, 3
"""

_UNKNOWN_CODES = """
    select blocks.delivery_number, records.row_number
    from {{ ref("int_record_blocks") }} as records
    inner join {{ ref("stg_blocks") }} as blocks using (block_id)
    where blocks.shape = 'long'
    group by all
    having max(records.binding_number) is null
"""


def preview_cells(study: Study, store: LandingStore, layout: Layout) -> dict[int, CellsPreview]:
    """What would become of the cells of each delivery, by its number.

    Parameters
    ----------
    store
        From `flows.landing.opening.preview_store`, after landing; the layout is written into it.
    """
    con = store.con
    store.write_layout({**layout.frames, **codebook_frames(study.codebook)})
    con.execute("insert into raw.changed_sites select distinct site_id from raw.deliveries")
    # Only who is who matters here, so a key that nobody keeps does as well as the study's.
    key = secrets.token_bytes(32)
    update_pseudonyms(store, key)
    land_withdrawals(study, study.paths, store, key)
    models = Models(con)
    fates: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for number, status, n in con.execute(models.rendered(_FATES)).fetchall():
        fates[number][status] += int(n)
    rejections: dict[int, list[Rejection]] = defaultdict(list)
    for number, reason, value_class, n, columns, first_row in con.execute(models.rendered(_REJECTED)).fetchall():
        rejections[number].append(Rejection(reason, value_class, n, tuple(columns), first_row))
    unknown: dict[int, int] = defaultdict(int)
    for number, _ in con.execute(models.rendered(_UNKNOWN_CODES)).fetchall():
        unknown[number] += 1
    return {
        number: CellsPreview(
            fates[number]["accepted"],
            fates[number]["declared_missing"],
            fates[number]["blank"],
            sum(each.n_cells for each in rejections[number]),
            fates[number]["superseded"],
            fates[number]["withdrawn"],
            tuple(rejections[number]),
            unknown[number],
        )
        for number in sorted({*fates, *rejections, *unknown})
    }
