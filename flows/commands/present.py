"""What the commands print: tables and sentences for people, JSON for machines. Nothing is computed here."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analysis.common.wording import several
from flows.common.progress import Listener

if TYPE_CHECKING:
    from flows.commands.checking import Checked, CheckedCells
    from flows.commands.status import Status
    from flows.common.errors import AllianceError
    from flows.refreshing.refresh import Ended

# Piped output is for other programs and for reading later; it has no window whose width it must fit.
_PIPED_WIDTH = 240
# Without emoji: a file or column named `a:x:b` is shown as it is.
_out = Console(highlight=False, soft_wrap=True, emoji=False, width=None if sys.stdout.isatty() else _PIPED_WIDTH)
_err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
_SHOWN_RESULTS = 40


def say(sentence: str) -> None:
    """Print one sentence."""
    _out.print(escape(sentence))


def complain(error: AllianceError) -> None:
    """Print an error with its cause and the next step."""
    _err.print(f"[bold red]error:[/] {escape(str(error))}")


def print_json(content: Any) -> None:
    """Print JSON; dates become ISO text."""
    _out.print(json.dumps(content, indent=1, default=str, ensure_ascii=False), markup=False)


@contextmanager
def progress(*, quiet: bool) -> Iterator[Listener]:
    """A listener that shows each step on a line of its own, and its inner progress where a person looks on."""
    if quiet:
        yield lambda step, sentence: None
        return
    with _err.status("begins") as spinner:

        def listener(step: str, sentence: str) -> None:
            spinner.update(f"{step}: {escape(sentence)}")
            if step != "build" or not sentence[:1].isdigit():
                _err.print(f"[bold]{step}[/] {escape(sentence)}")

        yield listener


@contextmanager
def spinner(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """What a command is at, where a person looks on; nothing of it stays."""
    if quiet:
        yield lambda sentence: None
        return
    with _err.status("begins") as status:
        yield lambda sentence: status.update(escape(sentence))


def show_lines(lines: Iterable[str]) -> None:
    """Print lines as they are, in columns of their own making."""
    for line in lines:
        _out.print(line, markup=False)


def show_rows(columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    """Print a query's rows as a table."""
    table = Table(*(escape(name) for name in columns), box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    _out.print(table)


def show_checked(checked: Checked) -> None:
    """Print what a refresh would load, site by site."""
    _show_told(checked.problems)
    for site in checked.sites:
        _out.print(f"\n[bold]{escape(site.site_id)}[/] {escape(site.name)}")
        if site.forms:
            show_rows(["file", "instrument", "rater", "session", "items"], site.forms)
        _show_cells(site.cells)
        for sentence in site.not_mapped:
            _out.print(f"  not mapped: {escape(sentence)}")
        _show_told(site.problems, indent="  ")
    _out.print(f"\n{escape(checked.message)}")


def _show_cells(files: list[CheckedCells]) -> None:
    from flows.commands.checking import counted, in_words

    shown = ["accepted", "declared_missing", "blank", "rejected"]
    shown += [fate for fate in ("superseded", "withdrawn") if any(getattr(each, fate) for each in files)]
    if files:
        rows = [(each.file_name, *(getattr(each, fate) for fate in shown)) for each in files]
        show_rows(["answers in", *(fate.removeprefix("declared_") for fate in shown)], rows)
    for each in files:
        for rejection in each.rejections:
            _out.print(f"  [yellow]rejected:[/] {escape(each.file_name)}: {escape(in_words(rejection))}")
        if each.unknown_codes:
            _out.print(
                f"  not mapped: {escape(each.file_name)}: {counted(each.unknown_codes, 'record')} "
                "with an item code that no form names"
            )


def _show_told(problems: list[tuple[str, str]], indent: str = "") -> None:
    for severity, sentence in problems:
        colour = {"critical": "red", "warning": "yellow"}.get(severity, "dim")
        _out.print(f"{indent}[{colour}]{severity}:[/] {escape(sentence)}")


def show_ended(ended: Ended, status: Status) -> None:
    """Print how a refresh ended, loudest things last, where the eye rests."""
    took = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in ended.seconds.items())
    _out.print(f"\n[bold]{ended.refresh_id}[/] {escape(ended.message)} ({ended.kind}; {took})")
    show_status(status)
    for site in ended.overdue:
        _out.print(f"[yellow]warning:[/] site {escape(site)} is overdue: nothing arrived for longer than it promised")


def show_status(status: Status) -> None:
    """Print how a study stands."""
    if status.running:
        _out.print(f"running: {escape(status.running)}")
    if status.last_attempt and status.last_attempt.get("status") in ("failed", "stopped"):
        _out.print(f"[red]last refresh {status.last_attempt['status']}:[/] {escape(status.last_attempt['message'])}")
    _out.print(f"published version: {status.published_version or 'none yet'}")
    if status.refresh:
        one = status.refresh
        _out.print(f"{one['n_forms']:,} forms, {one['n_responses']:,} responses, made by {one['code_version']}")
    if status.arrivals:
        show_rows(list(status.arrivals[0]), [tuple(row.values()) for row in status.arrivals])
    _show_problems(status.problems)
    _show_results(status.not_passed)


def _show_problems(problems: list[dict[str, Any]]) -> None:
    if not problems:
        return
    _out.print(f"\n[bold]{several(len(problems), 'problem')} with deliveries[/]")
    for row in problems[:_SHOWN_RESULTS]:
        where = " ".join(escape(str(row[key])) for key in ("site_id", "file_name") if row[key])
        place = f"{where}: " if where else ""
        _out.print(f"{row['severity']}  {place}{escape(row['message'])} {escape(row['action'])}")
    if len(problems) > _SHOWN_RESULTS:
        _out.print(f"... and {len(problems) - _SHOWN_RESULTS} more: from quality.landing_problems")


def _show_results(results: list[dict[str, Any]]) -> None:
    if not results:
        return
    _out.print(f"\n[bold]{several(len(results), 'check result')} did not pass[/]")
    rows = [
        (
            row["severity"],
            row["name"],
            " ".join(str(row[key]) for key in ("site_id", "instrument_id", "rater", "subject") if row[key])
            or "the study",
            _share(row),
            row["threshold"],
        )
        for row in results[:_SHOWN_RESULTS]
    ]
    show_rows(["severity", "check", "where", "measured", "threshold"], rows)
    if len(results) > _SHOWN_RESULTS:
        _out.print(f"... and {len(results) - _SHOWN_RESULTS} more: from quality.check_results")
    _out.print("what each check means and what to do: select name, description from quality.checks")


_STATUS_MARKS = {"supported": ("green", "+"), "not_supported": ("red", "-"), "cannot_tell": ("yellow", "?")}
_CHANGES = {
    "finding_new": "new",
    "finding_status": "changed",
    "finding_numbers": "other numbers",
    "finding_gone": "gone",
}


def show_findings(found: dict[str, Any], questions: dict[str, str]) -> None:
    """Print the findings question by question; ``+`` supported, ``-`` not supported, ``?`` cannot be told."""
    rows = found["findings"]
    if not rows:
        _out.print("no findings: `from results.analyses` says what ran and why not")
        return
    _out.print("+ supported   - not supported   ? cannot tell   prediction and association, never cause")
    asked = None
    for row in rows:
        if row["question"] != asked:
            asked = row["question"]
            _out.print(f"\n[bold]{escape(questions.get(asked, asked))}[/]")
        colour, mark = _STATUS_MARKS.get(row["status"], ("dim", " "))
        few = " [yellow](rests on few)[/]" if row["rests_on_few"] else ""
        _out.print(f"{row['finding_number']:>4} [{colour}]{mark}[/] {escape(row['sentence'])}{few}")
        if row["change"]:
            _out.print(
                f"       [cyan]{_CHANGES.get(row['change'], row['change'])}[/] {escape(row['change_note'] or '')}"
            )
    for row in found["gone"]:
        _out.print(f"     [cyan]gone[/] {escape(row['note'] or '')}")
    n = {status: sum(row["status"] == status for row in rows) for status in _STATUS_MARKS}
    changed = sum(row["change"] is not None for row in rows) + len(found["gone"])
    _out.print(
        f"\n{several(len(rows), 'finding')}: {n['supported']} supported, {n['not_supported']} not supported, "
        f"{n['cannot_tell']} cannot be told; {changed} changed since the refresh before"
    )


def _share(row: dict[str, Any]) -> str:
    if row["measured"] is None:
        return str(row["reason"] or "")
    return f"{row['measured']:.3g} ({row['numerator']:g} of {row['denominator']:g})"
