"""dbt's models as plain tables, without dbt: for questions that need the build's own rules and an answer in seconds.

`alliance check` says what would be rejected. The rules for that are the models' SQL, and a second telling of them would
one day be another one; starting dbt takes longer than a small study takes to read. So the few models that decide about
cells are rendered here as dbt renders them. Only what those models use of dbt is known: ``ref``, ``source``,
``config``, ``run_query``, ``return`` and ``adapter.dispatch``; anything else fails loudly.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import duckdb
import jinja2

from flows.building.build import DBT_PROJECT

_MACRO = re.compile(r"{%-?\s*macro\s+(\w+)\(.*?{%-?\s*endmacro\s*-?%}", re.DOTALL)
_VIEW = re.compile(r"materialized=['\"]view['\"]")


class _Returned(Exception):
    """What dbt's ``return`` does: ends the macro with a value that need not be text."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


@lru_cache(maxsize=1)
def _sources() -> tuple[dict[str, str], dict[str, str]]:
    """Macros and models of the project: name to text."""
    macros: dict[str, str] = {}
    for file in sorted((DBT_PROJECT / "macros").rglob("*.sql")):
        macros |= {found.group(1): found.group(0) for found in _MACRO.finditer(file.read_text(encoding="utf-8"))}
    models = {file.stem: file.read_text(encoding="utf-8") for file in sorted((DBT_PROJECT / "models").rglob("*.sql"))}
    return macros, models


class Models:
    """Models of the project, made on a connection whose schema ``raw`` is the landing store's.

    Made tables and views lie in the schema ``model``.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._made: set[str] = set()
        self._macros, self._models = _sources()
        self._environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
        self._environment.globals |= {
            "ref": self.made,
            "source": lambda schema, table: f"{schema}.{table}",
            "config": lambda **_: "",
            "return": _return,
            "adapter": SimpleNamespace(dispatch=self._dispatch),
            "run_query": self._run_query,
            "execute": True,
            **{name: self._macro(name, text) for name, text in self._macros.items()},
            # The lists of names are types of the warehouse; here they are text.
            "category": lambda name: "varchar",
        }
        con.execute("create schema if not exists model")

    def made(self, name: str) -> str:
        """The model's table, made with all it stands on when it is not there yet.

        Raises
        ------
        KeyError
            The project has no such model.
        """
        if name not in self._made:
            text = self._models[name]
            kind = "view" if _VIEW.search(text) else "table"
            self._con.execute(f"create {kind} model.{name} as {self.rendered(text)}")
            self._made.add(name)
        return f"model.{name}"

    def rendered(self, sql: str) -> str:
        """SQL with the project's macros and models in it as SQL without; the models it names are made."""
        return self._environment.from_string(sql).render()

    def _macro(self, name: str, text: str) -> Callable[..., Any]:
        # Compiled one by one, so that a macro finds the others here and not beside it, where `return` would not hold.
        def call(*arguments: Any, **named: Any) -> Any:
            macro = getattr(self._environment.from_string(text).module, name)
            try:
                return macro(*arguments, **named)
            except _Returned as returned:
                return returned.value

        return call

    def _dispatch(self, name: str, *_: str) -> Callable[..., Any]:
        return self._macro(f"duckdb__{name}", self._macros[f"duckdb__{name}"])

    def _run_query(self, sql: str) -> Any:
        rows = self._con.execute(sql).fetchall()
        return SimpleNamespace(columns=[SimpleNamespace(values=lambda: [row[0] for row in rows])])


def _return(value: Any) -> None:
    raise _Returned(value)
