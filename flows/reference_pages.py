"""Reference pages made from what they describe: ``python -m flows.reference_pages`` writes them into the docs.

`warehouse.md` comes from the dbt contracts, `cli.md` from the commands themselves, `checks.md` from the table of
checks. A test compares the pages with what this module makes, so that none of them can grow old.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from typer.models import OptionInfo, ParameterInfo

from flows.building.contracts import MARTS, published_name

_ROOT = Path(__file__).resolve().parent.parent
REFERENCE_DIR = _ROOT / "docs" / "reference"

_SCHEMAS = {
    "core": "What clients and therapists answered, item by item, as scale scores, and side by side in dyads.",
    "quality": "What arrived, what became of every cell, and what the checks say of it.",
    "results": "What the analyses found. Every row names its analysis; `results.analyses` says how it was made.",
    "meta": "Which refresh made the warehouse, what it changed, and what every column holds.",
}

_WAREHOUSE = """\
# Tables of the warehouse

<!-- Made by `python -m flows.reference_pages` from the contracts in dbt_project/models/marts. -->

The published file `warehouse/alliance.duckdb` holds these tables and nothing else. Every table has a primary key and an
enforced contract; the same words stand in the file itself, as comments of tables and columns and in
[`meta.data_dictionary`](#metadata_dictionary). In the lists below the columns of the key are bold, and `not null` is
said where it holds.

Ids that begin with `cl_`, `th_`, `dy_` and `ep_` are pseudonyms. `form_id`, `response_id` and `score_id` are numbers
made from what they name, the same in every refresh. Columns of type `enum` hold one of a short list of names (sites,
instruments, scales, items, sessions, raters, phases, statuses): they are text to every query, and stored as numbers.
"""

_CLI = """\
# The command line

<!-- Made by `python -m flows.reference_pages` from flows/cli.py. -->

`alliance` is there once the virtual environment is active (`source .venv/bin/activate`); `python -m flows.cli` is the
same. Where a study's folder is not named, it is the folder you are in.

| exit code | meaning |
|---|---|
"""

_CHECKS = """\
# Checks

<!-- Made by `python -m flows.reference_pages` from expectations/checks.csv. -->

What is measured is in `quality.check_measures`, what came of it in `quality.check_results`, and these texts in
`quality.checks`. A study changes a threshold, with a reason, in `study.yml`: see
[Change a threshold](../how-to/change-a-threshold.md). The status of a result is `pass`, `warn`, `fail` (a critical
check did not hold), `error` (it could not be judged) or `not_applicable`, with the reason.

"""


@dataclass(frozen=True)
class _Table:
    schema: str
    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[tuple[str, str, bool, str], ...]


def warehouse_page() -> str:
    """Markdown with one section per published table: grain, key, columns."""
    tables = sorted(_tables(), key=lambda table: (list(_SCHEMAS).index(table.schema), table.name))
    lines = [_WAREHOUSE]
    for schema, sentence in _SCHEMAS.items():
        of_schema = [table for table in tables if table.schema == schema]
        links = ", ".join(f"[`{table.name}`](#{schema}{table.name})" for table in of_schema)
        lines += [f"## Schema `{schema}`", "", sentence, "", links, ""]
        for table in of_schema:
            lines += _table_section(table)
    return "\n".join(lines).rstrip() + "\n"


def cli_page() -> str:
    """Markdown with one section per command: what it does, arguments, options; and the exit codes."""
    from flows.cli import app
    from flows.common.errors import EXIT_CODE_MEANINGS

    lines = [_CLI.rstrip()]
    lines += [f"| {int(code)} | {meaning} |" for code, meaning in EXIT_CODE_MEANINGS.items()]
    for command in app.registered_commands:
        if command.callback is None:
            continue
        parameters = list(_parameters(command.callback))
        name = command.name or command.callback.__name__
        usage = ["alliance", name]
        usage += ["[options]"] if any(each.is_option for each in parameters) else []
        usage += [each.names if each.is_needed else f"[{each.names}]" for each in parameters if not each.is_option]
        lines += ["", f"## alliance {name}", "", "    " + " ".join(usage).replace("`", ""), ""]
        lines += [_unwrapped(inspect.getdoc(command.callback) or ""), ""]
        lines += ["| argument or option | meaning | default |", "|---|---|---|"]
        lines += [f"| {each.names} | {each.help} | {each.default} |" for each in parameters]
    return "\n".join(lines) + "\n"


def checks_page() -> str:
    """Markdown with one section per check."""
    from expectations import checks_reference

    return _CHECKS + checks_reference()


PAGES: dict[str, Callable[[], str]] = {
    "warehouse.md": warehouse_page,
    "cli.md": cli_page,
    "checks.md": checks_page,
}


def write_pages(folder: Path = REFERENCE_DIR) -> list[Path]:
    """Write all pages into `folder` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, make in PAGES.items():
        path = folder / name
        path.write_text(make(), encoding="utf-8")
        written.append(path)
    return written


def _tables() -> Iterator[_Table]:
    for contract in sorted(MARTS.rglob("_*.yml")):
        for model in yaml.safe_load(contract.read_text(encoding="utf-8")).get("models", []):
            name = published_name(contract.parent / f"{model['name']}.sql")
            key = next(rule["columns"] for rule in model["constraints"] if rule["type"] == "primary_key")
            columns = tuple(
                (
                    column["name"],
                    "enum" if column["data_type"].startswith("alliance.") else column["data_type"],
                    any(rule["type"] == "not_null" for rule in column.get("constraints", [])),
                    column["description"].strip(),
                )
                for column in model["columns"]
            )
            yield _Table(contract.parent.name, name, " ".join(model["description"].split()), tuple(key), columns)


def _table_section(table: _Table) -> list[str]:
    lines = [
        f"### {table.schema}.{table.name}",
        "",
        table.description,
        "",
        "| column | type | content |",
        "|---|---|---|",
    ]
    for name, data_type, not_null, description in table.columns:
        shown = f"**`{name}`**" if name in table.key else f"`{name}`"
        content = " ".join(description.replace("|", "\\|").split())
        lines.append(
            f"| {shown} | {data_type}{', not null' if not_null and name not in table.key else ''} | {content} |"
        )
    return [*lines, ""]


@dataclass(frozen=True)
class _Parameter:
    names: str
    help: str
    default: str
    is_option: bool
    is_needed: bool


def _parameters(command: Callable[..., Any]) -> Iterator[_Parameter]:
    """Arguments, then options, as the command's own annotations declare them."""
    hints = get_type_hints(command, include_extras=True)
    found = []
    for name, parameter in inspect.signature(command).parameters.items():
        kind, info = hints[name].__origin__, hints[name].__metadata__[0]
        is_option = isinstance(info, OptionInfo)
        # Where Annotated is used, Typer keeps the first name of an option in the place of its default.
        declared = [each for each in (info.default, *(info.param_decls or ())) if isinstance(each, str)]
        names = (declared or [f"--{name.replace('_', '-')}"]) if is_option else [name]
        shown = ", ".join(f"`{each}`" for each in names)
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            shown += " " + " or ".join(f"`{each.value}`" for each in kind)
        is_needed = parameter.default is inspect.Parameter.empty
        found.append(_Parameter(shown, info.help, _default(info, parameter.default), is_option, is_needed))
    yield from sorted(found, key=lambda each: each.is_option)


def _default(info: ParameterInfo, default: Any) -> str:
    if default is inspect.Parameter.empty:
        return "needed"
    if isinstance(info.show_default, str):
        return info.show_default
    value = getattr(default, "value", default)
    return "none" if value is None else "off" if value is False else f"`{value}`"


def _unwrapped(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))


if __name__ == "__main__":
    for each in write_pages():
        print(each.name)
