"""Rows of ten million forms out of a warehouse: what reading, turning and adding up core.item_responses needs.

    python -m benchmarks.large_warehouse --forms 10000 200000 10000000

Writes warehouse files that hold only what :class:`flows.analysing.row_stream.SiteRows` reads (core.forms,
core.item_responses, core.sessions), with the columns' types of a build, one form of twelve items per dyad, 1 answer in
50 missing, in ``--sites`` sites. Every figure is of a process of its own with one thread: CPU seconds, and the peak of
its memory. ``rows`` goes through the rows and looks at nothing: the joining, turning and sorting of the answers;
``pearson`` and ``polychoric`` add them up too and correlate; ``sample`` takes the rows that further analyses go on with
after such a pass. Printed as JSON, a line per figure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np

from analysis.components.component_stream import correlate_sums
from analysis.components.component_study import ComponentSettings
from benchmarks.large_stream import ONE_CORE, peak_mb
from flows.analysing.row_stream import SiteRows
from flows.common.database import attach, connect

ITEM_IDS = tuple(f"wai_s_{number:02d}" for number in range(1, 13))
TASKS = ("rows", "pearson", "polychoric", "sample")

_TYPES = {
    "instrument_id": ["wai_s"],
    "rater": ["client", "therapist"],
    "phase": ["followup", "post", "pre", "therapy"],
    "session_id": ["s05", "s09"],
    "item_id": list(ITEM_IDS),
}

# Ids are spread like those of a build, which are hashes: an odd number times the row, which no two rows share.
_FORMS = """
insert into alliance.core.forms
select
    {number} * 1099511627776 + row * 389063417 % 1099511627776 as form_id, '{site}' as site_id,
    'dy_' || md5('dyad' || row)[:16] as dyad_id, md5('client' || row)[:16] as client_id,
    md5('{site}' || row // 40)[:16] as therapist_id, 'wai_s' as instrument_id, 'client' as rater,
    'therapy' as phase, '5' as occasion, 's05' as session_id, date '2024-01-01' + (row % 300)::integer as form_date,
    {items} as n_answered
from range({first}, {last}) as made(row)
"""

_ANSWERS = """
insert into alliance.core.item_responses
select
    form_id * 256 + item as response_id, form_id, '{site}' as site_id,
    enum_range(null::alliance.core.item_id)[item] as item_id,
    -- a hash of one number: of several numbers it is the same in the last digits for many of them
    case
        when hash(form_id * 64 + item + 32) % 50 > 0 then 1.0 + hash(form_id) % 4 + hash(form_id * 64 + item) % 4
    end as keyed_value
from alliance.core.forms, range(1, {items} + 1) as numbered(item)
where site_id = '{site}'
"""


def write_warehouse(file: Path, forms: int, sites: int) -> None:
    """A file with ``forms`` forms and their answers, site after site as a build writes them."""
    names = [f"s{number:03d}" for number in range(1, sites + 1)]
    edges = np.linspace(0, forms, sites + 1).astype(int).tolist()
    with connect(memory_limit="2GB", threads=1, temp=file.parent / "writing") as con:
        attach(con, file, "alliance")
        con.execute("create schema alliance.core")
        for name, values in {**_TYPES, "site_id": names}.items():
            con.execute(f"create type alliance.core.{name} as enum ({', '.join(repr(one) for one in values)})")
        con.execute("""
            create table alliance.core.sessions (
                session_id alliance.core.session_id, session_order integer, target_number double
            );
            insert into alliance.core.sessions values ('s05', 1, 5.0), ('s09', 2, 9.0);
            create table alliance.core.forms (
                form_id bigint, site_id alliance.core.site_id, dyad_id varchar, client_id varchar, therapist_id varchar,
                instrument_id alliance.core.instrument_id, rater alliance.core.rater, phase alliance.core.phase,
                occasion varchar, session_id alliance.core.session_id, form_date date, n_answered integer
            );
            create table alliance.core.item_responses (
                response_id bigint, form_id bigint, site_id alliance.core.site_id, item_id alliance.core.item_id,
                keyed_value double
            )
        """)
        for number, (site, first, last) in enumerate(zip(names, edges[:-1], edges[1:], strict=True), start=1):
            for statement in (_FORMS, _ANSWERS):
                con.execute(statement.format(number=number, site=site, first=first, last=last, items=len(ITEM_IDS)))


def run(task: str, file: Path, memory_limit: str) -> dict[str, float]:
    """CPU seconds of ``task`` in this process, and the memory that it has needed beyond what was there before."""
    with connect(memory_limit=memory_limit, threads=1, temp=file.parent / "temp") as con:
        attach(con, file, "alliance", read_only=True)
        stream = site_rows(con)
        before, started = peak_mb(), time.process_time()
        if task == "rows":
            n_rows = sum(len(chunk) for chunk in stream.answers())
        elif task == "sample":
            n_rows = len(stream.sample(ComponentSettings()).answers)
        else:
            settings = ComponentSettings(correlation=task)
            passed = stream.first_pass(settings)
            n_rows = passed.answered.n_rows
            correlate_sums(passed, settings)
        seconds = time.process_time() - started
    return {"rows": n_rows, "cpu_seconds": round(seconds, 2), "peak_mb": peak_mb(), "before_mb": before}


def site_rows(con: duckdb.DuckDBPyConnection) -> SiteRows:
    """The client's rows of the last session, as an analysis reads them."""
    return SiteRows(
        con,
        rater="client",
        items=ITEM_IDS,
        instruments=("wai_s",),
        session_rule="last",
        origin=np.full(len(ITEM_IDS), 4.0),
    )


def main() -> None:
    """Measure every task on warehouses of the sizes asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forms", type=int, nargs="+", default=[10_000, 200_000])
    parser.add_argument("--sites", type=int, default=50)
    parser.add_argument("--memory-limit", default="2GB", help="of DuckDB, as in study.yml")
    parser.add_argument("--folder", type=Path, help="where the files are written; by default a temporary folder")
    parser.add_argument("--one", nargs=2, metavar=("TASK", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(run(options.one[0], Path(options.one[1]), options.memory_limit)))
        return
    with tempfile.TemporaryDirectory(prefix="alliance-warehouse-", dir=options.folder) as folder:
        for forms in options.forms:
            file = Path(folder) / f"{forms}.duckdb"
            write_warehouse(file, forms, options.sites)
            for task in TASKS:
                found = _in_a_process(task, file, options.memory_limit)
                print(json.dumps({"forms": forms, "sites": options.sites, "task": task, **found}), flush=True)
            file.unlink()


def _in_a_process(task: str, file: Path, memory_limit: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.large_warehouse", "--one", task, str(file)]
    command += ["--memory-limit", memory_limit]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **ONE_CORE}, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
