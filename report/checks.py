"""Checks that did not pass: what, where, how much, against which threshold and why."""

from __future__ import annotations

from collections import defaultdict

from report import words
from report.content import Block, Cell, Fold, Section, Text, Tone, table
from report.warehouse import Row, Warehouse

MOST_OF_A_CHECK = 40

_COUNTS = """
select status, severity, count(*) as n, count(distinct check_id) as checks
from quality.check_results group by status, severity
"""

_NOT_PASSED = f"""
with ranked as (
    select
        *,
        count(*) over (partition by check_id) as of_this_check,
        row_number() over (
            partition by check_id
            order by
                case status when 'fail' then 0 when 'error' then 1 else 2 end,
                site_id, instrument_id, rater, subject, check_result_id
        ) as place
    from quality.check_results
    where status not in ('pass', 'not_applicable')
)
select
    ranked.check_id, checks.name, checks.description, checks.direction, ranked.severity, ranked.status,
    ranked.site_id, ranked.instrument_id, ranked.rater, ranked.subject, ranked.numerator, ranked.denominator,
    ranked.measured, ranked.threshold, ranked.threshold_reason, ranked.reason, ranked.failing_keys, ranked.of_this_check
from ranked
left join quality.checks as checks on ranked.check_id = checks.check_id
where ranked.place <= {MOST_OF_A_CHECK}
order by
    case ranked.severity when 'critical' then 0 when 'warning' then 1 else 2 end,
    ranked.check_id, ranked.place
"""

_SEVERITIES: dict[str, tuple[str, Tone]] = {
    "critical": ("Critical", "bad"),
    "warning": ("Warnings", "warning"),
    "info": ("For the record", "notice"),
}
_DIRECTIONS = {"at_most": "at most", "at_least": "at least", "exactly": "exactly"}


def section(warehouse: Warehouse) -> Section:
    """All results that are not a pass, by severity and check."""
    counts = warehouse.rows(_COUNTS)
    if not counts:
        return Section("checks", "Checks", (Text("No check has judged this build.", "warning"),))
    n = {status: sum(row["n"] for row in counts if row["status"] == status) for status in ("pass", "not_applicable")}
    found = warehouse.rows(_NOT_PASSED)
    judged = sum(row["n"] for row in counts) - n["not_applicable"]
    aside = words.count_of(n["not_applicable"], "result") if n["not_applicable"] else "no result"
    told = (
        f"{words.count(n['pass'])} of {words.count_of(judged, 'judged result')} passed; {aside} had too little to "
        "judge. A check is measured once for each site, instrument or item it applies to."
    )
    blocks: list[Block] = [Text(told)]
    if not found:
        blocks.append(Text("Every check that could be judged passed.", "good"))
    by_severity: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in found:
        by_severity[row["severity"]][row["check_id"]].append(row)
    for severity, by_check in by_severity.items():
        title, tone = _SEVERITIES.get(severity, (severity, ""))
        total = sum(rows[0]["of_this_check"] for rows in by_check.values())
        of_checks = words.count_of(len(by_check), "check")
        blocks.append(Text(f"{title}: {words.count_of(total, 'result')} of {of_checks} did not pass.", tone))
        blocks += [_check(rows) for rows in by_check.values()]
    return Section("checks", "Checks that did not pass", tuple(blocks))


def _check(rows: list[Row]) -> Fold:
    first = rows[0]
    thresholds = {(row["threshold"], row["threshold_reason"]) for row in rows}
    blocks: list[Block] = [Text(text) for text in (first["description"],) if text]
    if len(thresholds) == 1:
        reason = f" Why: {first['threshold_reason']}" if first["threshold_reason"] else ""
        blocks.append(Text(f"Threshold: {_threshold(first)}.{reason}"))
    left = first["of_this_check"] - len(rows)
    more = f" {words.count(left)} more are in `quality.check_results`." if left else ""
    blocks.append(
        table(
            "Where it did not pass",
            ["Where", "Measured", "Threshold", "Failing keys", "Note"],
            [
                (_where(row), _measured(row), _threshold(row), words.listed(_keys(row), 5) or words.NOTHING, _note(row))
                for row in rows
            ],
            f"Keys are numbers and pseudonyms of the warehouse, never a site's own.{more}",
        )
    )
    name = (first["name"] or words.plain(first["check_id"])).rstrip(".")
    return Fold(f"{name}: {_places(first['of_this_check'])}", tuple(blocks))


def _places(n: int) -> str:
    return "not so in 1 place" if n == 1 else f"not so in {words.count(n)} places"


def _where(row: Row) -> str:
    named = [row[name] for name in ("site_id", "instrument_id", "rater", "subject") if row[name]]
    return ", ".join(named) if named else "the whole study"


def _measured(row: Row) -> Cell:
    numerator, denominator = row["numerator"], row["denominator"]
    tone: Tone = "bad" if row["status"] in ("fail", "error") else ""
    if row["measured"] is None:
        return Cell("not measured", tone)
    digits = 2 if abs(row["measured"]) >= 0.1 or row["measured"] == 0 else 4
    measured = words.number(row["measured"], digits)
    # A correlation is stored times its n; only a count reads as a part of its denominator.
    if numerator == round(numerator) and numerator >= 0:
        return Cell(f"{words.count(numerator)} of {words.number(denominator, 0)} ({measured})", tone)
    return Cell(f"{measured} (n = {words.count(denominator)})", tone)


def _threshold(row: Row) -> str:
    if row["threshold"] is None:
        return words.NOTHING
    value = f"{row['threshold']:g}".replace("-", words.MINUS)
    return f"{_DIRECTIONS.get(row['direction'], words.plain(row['direction']))} {value}"


def _note(row: Row) -> str:
    """The reason, where it says more than the columns beside it do."""
    reason = row["reason"] or words.plain(row["status"])
    return "" if reason.startswith("measured ") else reason


def _keys(row: Row) -> list[str]:
    return [str(key) for key in words.from_json(row["failing_keys"], [])]
