"""The command line `alliance`: what a data manager, an analyst and an operator do with a study.

Exit codes are those of `flows.common.errors`. Heavy packages are imported inside the commands that need them, so that
``--help``, ``query`` and ``status`` answer at once.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import duckdb
import typer

from flows.common import environment

# Telemetry is off before anything else is imported.
environment.quiet()

from flows.commands import present, query, status
from flows.common.errors import AllianceError, ExitCode, UsageError
from flows.common.paths import StudyPaths

app = typer.Typer(
    name="alliance",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="""From sites' raw questionnaire exports to an audited DuckDB warehouse.

A study is a folder: `study.yml`, `sites/<site>.yml`, `deliveries/<site>/...`, and a `codebook/` if it has instruments
of its own. Begin with `alliance init my-study` (or `--demo`), put files into `deliveries`, let `alliance check` say
what it makes of them, then `alliance refresh`.""",
    epilog="Exit codes: 0 done · 1 refresh failed · 2 wrong use or settings · 3 critical checks stopped publishing · "
    "4 another refresh runs · 5 nothing published yet",
)

StudyArgument = Annotated[Path, typer.Argument(help="The study's folder.", show_default="this folder")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, for machines.")]
HERE = Path()


class QueryFormat(StrEnum):
    """How `alliance query` prints its rows."""

    table = "table"
    csv = "csv"
    json = "json"


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    demo: Annotated[bool, typer.Option("--demo", help="A complete demo study: six sites in six formats.")] = False,
) -> None:
    """Make an annotated empty study, or the demo study.

    An existing study is never overwritten; asking again for the demo in the same folder leaves it as it is.
    """
    from flows.settings import new_study

    present.say(new_study.make_demo(folder) if demo else new_study.make_empty(folder))


@app.command()
def check(study: StudyArgument = HERE, as_json: Json = False) -> None:
    """Read settings and deliveries, change nothing, and say what a refresh would load and what is wrong.

    Site by site: forms found, answers accepted, missing and rejected (how many, why and where, never what they say),
    columns not mapped, problems. Exit code 2 if the settings cannot be used, 1 if a
    delivery has a problem that a refresh would stop at.
    """
    from flows.commands import checking

    with present.spinner(quiet=as_json) as progress:
        checked = checking.check_study(_study_folder(study), progress=progress)
    if as_json:
        present.print_json(checked.to_dict())
    else:
        present.show_checked(checked)
    raise typer.Exit(checked.exit_code)


@app.command()
def refresh(
    study: StudyArgument = HERE,
    full: Annotated[bool, typer.Option("--full", help="Build all sites anew, whether they changed or not.")] = False,
    as_json: Json = False,
) -> None:
    """Land what is new, build, check, analyse and publish.

    The published warehouse is replaced in one step at the very end, and only if no critical check failed; readers are
    never locked out. With `PREFECT_API_URL` set the run is known to that server, else a server of its own is started
    for as long as it takes (some 15 seconds).
    """
    from flows.refreshing import running

    folder = _study_folder(study)
    with present.progress(quiet=as_json) as listener:
        ended = running.run_refresh(folder, full=full, listener=listener)
    if as_json:
        present.print_json(asdict(ended))
    else:
        present.show_ended(ended, status.read_status(StudyPaths(folder)))


@app.command(name="status")
def show_status(study: StudyArgument = HERE, as_json: Json = False) -> None:
    """Tell of the last refresh: what arrived, what did not, and which checks did not pass."""
    found = status.read_status(StudyPaths(_study_folder(study)))
    if as_json:
        present.print_json(asdict(found))
    else:
        present.show_status(found)
    if found.published_version is None:
        raise typer.Exit(ExitCode.NOTHING_PUBLISHED)


@app.command()
def findings(study: StudyArgument = HERE, as_json: Json = False) -> None:
    """Print what the published analyses answer of the study's questions, a sentence each with its numbers.

    Each line has its number, its status (supported, not supported, cannot tell) and a mark where the last refresh
    changed it. `results.finding_rows` leads from a line to the rows it rests on.
    """
    from flows.commands import findings_list

    found = findings_list.read_findings(StudyPaths(_study_folder(study)).published_file)
    if as_json:
        present.print_json(found)
    else:
        present.show_findings(found, findings_list.QUESTIONS)


@app.command(name="query")
def ask(
    sql: Annotated[str, typer.Argument(help='One SQL statement, such as "from core.forms limit 5".')],
    study: Annotated[
        Path, typer.Option("--study", "-s", help="The study's folder.", show_default="this folder")
    ] = HERE,
    output: Annotated[QueryFormat, typer.Option("--format", "-f", help="How to print the rows.")] = QueryFormat.table,
    stopped: Annotated[
        bool, typer.Option("--stopped", help="Ask the build that critical checks kept from being published.")
    ] = False,
) -> None:
    """Ask the published warehouse, read-only.

    `from meta.data_dictionary` lists every table and column with its meaning.
    """
    paths = StudyPaths(_study_folder(study))
    columns, rows = query.run_query(paths.stopped_file if stopped else paths.published_file, sql)
    if output is QueryFormat.csv:
        sys.stdout.write(query.as_csv(columns, rows))
    elif output is QueryFormat.json:
        sys.stdout.write(query.as_json(columns, rows) + "\n")
    else:
        present.show_rows(columns, rows)


@app.command()
def components(
    study: StudyArgument = HERE,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="An item set: an instrument, joint, or one of the study's own; may be repeated."),
    ] = None,
    items: Annotated[
        str | None, typer.Option("--items", help="Items to analyse together: ids of items or instruments, with commas.")
    ] = None,
    rater: Annotated[str | None, typer.Option(help="client or therapist; the study's raters.")] = None,
    n_components: Annotated[str | None, typer.Option(help="A number, or a rule such as parallel or map_2000.")] = None,
    correlation: Annotated[str | None, typer.Option(help="pearson or polychoric.")] = None,
    missing: Annotated[str | None, typer.Option(help="pairwise, complete or em.")] = None,
    extraction: Annotated[str | None, typer.Option(help="minres, ml, paf, paf_psych, paf_spss or components.")] = None,
    rotation: Annotated[str | None, typer.Option(help="Such as oblimin, oblimin_kaiser, promax, varimax.")] = None,
    session_rule: Annotated[str | None, typer.Option(help="last, mean or a session of the study.")] = None,
    salience: Annotated[float | None, typer.Option(help="The size from which a loading counts.")] = None,
    bootstrap: Annotated[int | None, typer.Option(help="Samples; 0 for a quick look without intervals.")] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--with", help="Any other setting of `analyses`, as key=value; may be repeated."),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Keep the results in a new DuckDB file, in tables like the published ones.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="An earlier version (see `alliance versions`) to compare the components with.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find components in the published data, with the study's settings or others, and print them.

    Reads the published warehouse and changes nothing in it. What is not said is as in study.yml; without any change the
    numbers are the published ones, and it says so. To have other settings published, write them into study.yml and
    refresh.
    """
    named = {
        "n_components": n_components,
        "correlation": correlation,
        "missing": missing,
        "extraction": extraction,
        "rotation": rotation,
        "session_rule": session_rule,
        "salience": salience,
        "bootstrap": bootstrap,
        "raters": None if rater is None else [rater],
    }
    from flows.commands import components_run, components_text
    from flows.settings.study import load_study

    changes, wanted = components_run.all_changes(named, change or []), components_run.items_asked(items)
    found = load_study(_study_folder(study), strict=False)
    if sets or wanted:
        changes |= components_run.with_sets(found.settings.analyses, wanted, found)
    settings = components_run.changed_settings(found, changes)
    with present.progress(quiet=as_json) as listener:
        ran = components_run.run(
            found,
            settings,
            sets=sets or (),
            save=save,
            against=against,
            progress=lambda sentence: listener("analyse", sentence),
        )
    if as_json:
        present.print_json(ran.to_dict())
    else:
        present.show_lines(components_text.summary(ran))


@app.command()
def schedule(
    study: StudyArgument = HERE,
    cron: Annotated[str | None, typer.Option(help='When, such as "0 3 * * *" for every night at three.')] = None,
    every: Annotated[
        int | None, typer.Option(help="Seconds between refreshes, instead of --cron.", min=1, max=31_536_000)
    ] = None,
    timezone: Annotated[str, typer.Option(help="Time zone of --cron.")] = "UTC",
) -> None:
    """Refresh on a schedule, one run at a time, until stopped with Ctrl-C.

    Serves a Prefect deployment. With `PREFECT_API_URL` set it appears there; else a Prefect server on this machine
    (loopback only) is started for as long as this runs.
    """
    from flows.refreshing import running

    if (cron is None) == (every is None):
        raise UsageError("say when to refresh", next_step='give either --cron "0 3 * * *" or --every 3600')
    running.serve_schedule(_study_folder(study), cron=cron, every=every, timezone=timezone, say=present.say)


@app.command()
def versions(study: StudyArgument = HERE, as_json: Json = False) -> None:
    """List the published versions that are kept, newest last."""
    from flows.publishing import publish

    paths = StudyPaths(_study_folder(study))
    kept, current = publish.versions(paths), publish.current_version(paths)
    if as_json:
        present.print_json([{"version": name, "published": name == current} for name in kept])
    for name in [] if as_json else kept:
        present.say(f"{name}{'  (published)' if name == current else ''}")


@app.command()
def rollback(
    study: StudyArgument = HERE,
    version: Annotated[str | None, typer.Option(help="Which version; the one before the published one.")] = None,
) -> None:
    """Publish an earlier version again, in one step.

    The next refresh makes a new version from all deliveries again; to keep a wrong one out, name it under `leave_out`
    in the site's settings first.
    """
    from flows.publishing import rolling_back

    present.say(rolling_back.roll_back(StudyPaths(_study_folder(study)), version))


def _study_folder(folder: Path) -> Path:
    if not (folder / "study.yml").is_file():
        raise UsageError(
            f"{folder} is not a study",
            cause="it has no study.yml",
            next_step="name a study's folder, or make one with `alliance init`",
        )
    return folder.resolve()


def main() -> None:
    """Entry point: run a command; an error is one message and its exit code, never a traceback."""
    try:
        app()
    except AllianceError as error:
        _fail(error)
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(0) from None
    except OSError as error:
        _fail(_of_the_system(error))
    except duckdb.Error as error:
        _fail(_of_the_database(error))


def _of_the_system(error: OSError) -> AllianceError:
    """Disk, rights and folders in the way, which any step may meet."""
    place = f" ({Path(error.filename).name})" if isinstance(error.filename, str) else ""
    return AllianceError(
        "the system refused a file or folder",
        cause=f"{error.strerror or type(error).__name__}{place}",
        next_step="look at free disk space and access rights in the study's folder, then try again",
    )


def _of_the_database(error: duckdb.Error) -> AllianceError:
    """A database file that is damaged, or of another kind; DuckDB's own message may quote values."""
    return AllianceError(
        "a database of the study cannot be read",
        cause=type(error).__name__,
        next_step="`alliance rollback` publishes an earlier version again, `alliance refresh --full` makes a new one",
    )


def _fail(error: AllianceError) -> NoReturn:
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps({"status": "failed", "exit_code": error.exit_code, "message": str(error)}) + "\n")
    present.complain(error)
    raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
