-- Each text once, however many cells hold it: texts are few, cells are many.
select
    cells.block_id,
    cells.binding_number,
    cells.fate,
    cells.text,
    count(*) as n_cells
from {{ candidate_cells(ref("int_candidate_fates"), ["fate"]) }} as cells
group by cells.block_id, cells.binding_number, cells.fate, cells.text
