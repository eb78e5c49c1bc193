"""`alliance components`: question 1 on the published data, with the study's settings or others, published nowhere.

The published file is opened read-only and the results go to a database in memory, or to a file of their own. What is
published comes from a refresh only, so that each published number passed the checks and is known to `meta.refreshes`;
who wants other settings published writes them into study.yml.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import yaml

from analysis.components.alignment import match_columns
from analysis.components.congruence import mark
from flows.analysing.carrying_out import Registrar
from flows.analysing.catalogue import JOINT, Catalogue, planned_sets, read_catalogue
from flows.analysing.study_analyses import StudyAnalyses
from flows.analysing.tables import ResultTables, empty_results
from flows.building.contracts import contracts
from flows.common.database import attach, connect, identifier
from flows.common.errors import NothingPublished, UsageError
from flows.publishing.code_version import code_version
from flows.publishing.publish import versions
from flows.settings.analysis_settings import BUILT_IN_ITEM_SETS, AnalysisSettings
from flows.settings.settings_problems import did_you_mean
from flows.settings.study import Study, check_analyses, parse_study_settings

CHOSEN = "chosen"
"""Name of the item set that `--items` makes."""

TABLES = (
    "suitability",
    "item_correlations",
    "retention",
    "components",
    "loadings",
    "component_correlations",
    "model_fit",
    "reliability",
    "correspondence",
    "cfa_loadings",
    "cfa_correlations",
    "congruence",
    "emphasis",
)
"""Tables of question 1, but for the scores of the people."""

_WHAT_IF = "what_if"
_CORE_TABLES = {"items", "scales", "scale_items", "forms", "item_responses", "sessions"}


@dataclass(frozen=True)
class ComponentsRun:
    """What came of it: rows by table (`analyses` too), topics of the items, and per analysis whether the published
    results hold the same numbers (``same``), others under the same id (``different``), or none (``new``);
    ``against_version`` has the congruence of the components with those of an earlier ``version``."""

    tables: Mapping[str, pd.DataFrame]
    topics: Mapping[str, str]
    against_published: Mapping[str, str]
    version: str | None = None
    against_version: pd.DataFrame | None = None

    def to_dict(self) -> dict[str, Any]:
        """Tables as lists of rows, for machines; what is missing is null."""
        listed = {name: _records(frame) for name, frame in self.tables.items()}
        if self.against_version is not None:
            listed["against_version"] = _records(self.against_version)
        return {"against_published": dict(self.against_published), **listed}


def changed_settings(study: Study, changes: Mapping[str, Any]) -> AnalysisSettings:
    """The study's settings of the analyses with some changed, checked as those of study.yml are.

    Raises
    ------
    UsageError
        A setting that does not exist or cannot be what it is asked to be.
    """
    usual = study.settings.model_dump(mode="json", exclude={"thresholds"})
    usual["analyses"] |= changes
    settings, problems = parse_study_settings(yaml.safe_dump(usual, allow_unicode=True))
    told = [(f"{each.key_path.removeprefix('analyses.')}: {each.message}", each.next_step) for each in problems]
    if settings is not None:
        told += [(each.message, each.next_step) for each in check_analyses(settings, study.codebook)]
    if told:
        message, next_step = told[0]
        raise UsageError("these settings cannot be used", cause=message, next_step=next_step)
    assert settings is not None
    return settings.analyses


def items_asked(text: str | None) -> list[str]:
    """The ids of items and instruments in ``text``, with commas; none where nothing was asked for.

    Raises
    ------
    UsageError
        A text that names none, which must not become all of them.
    """
    named = [] if text is None else [word.strip() for word in text.split(",") if word.strip()]
    if text is not None and not named:
        raise UsageError("--items names no item", next_step="write ids with commas, such as wai_s_01,wai_s_02 or wai_s")
    return named


def all_changes(options: Mapping[str, Any], others: Sequence[str]) -> dict[str, Any]:
    """The changed settings that options of their own name (None: not asked for), and ``others`` as key=value.

    Raises
    ------
    UsageError
        No value or no key, one setting asked for twice, and `item_sets`, which have options of their own.
    """
    changed = {key: value for key, value in options.items() if value is not None}
    for text in others:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not key:
            raise UsageError(
                f"--with {text} says no {'key' if equals else 'value'}",
                next_step="write it as key=value: --with oblimin_gamma=-0.5",
            )
        if key == "item_sets":
            raise UsageError("item sets are not chosen by --with", next_step="use --set for a set, --items for items")
        if key in changed:
            raise UsageError(f"{key} is asked for twice", next_step="say it once, by its own option or by --with")
        changed[key] = value
    return changed


def with_sets(settings: AnalysisSettings, items: Sequence[str], study: Study) -> Mapping[str, Any]:
    """The change of `item_sets` that lets every set be named, and adds one of ``items`` (ids of items, instruments)."""
    named = [each.model_dump(mode="json") for each in settings.item_sets]
    named += [{"name": word} for word in BUILT_IN_ITEM_SETS if all(each["name"] != word for each in named)]
    if items:
        instruments = [word for word in items if word in study.codebook.instruments]
        others = [word for word in items if word not in instruments]
        named.append({"name": CHOSEN, "instruments": instruments, "items": others})
    return {"item_sets": named}


def run(
    study: Study,
    settings: AnalysisSettings,
    *,
    sets: Sequence[str] = (),
    save: Path | None = None,
    against: str | None = None,
    progress: Callable[[str], None] = lambda sentence: None,
) -> ComponentsRun:
    """Components, correspondence, reliability, congruence and emphasis of ``sets`` (all of ``settings`` when empty),
    and of the set of `--items` where there is one.

    Raises
    ------
    NothingPublished
        There is no published file yet.
    UsageError
        A set or version that there is not, or ``save`` exists or its folder does not.
    """
    published = study.paths.published_file
    if not published.exists():
        raise NothingPublished("this study has no published warehouse yet", next_step="run `alliance refresh`")
    if save is not None and save.exists():
        raise UsageError(f"{save} is there already", next_step="name a file that is not, nothing is overwritten")
    if save is not None and not save.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {save.absolute().parent}", next_step="make it, or name a file elsewhere")
    earlier = None if against is None else _version_file(study, against)
    own = study.settings
    names = {theme.theme_id: theme.name for theme in study.codebook.themes.values()}
    with connect(memory_limit=own.memory_limit, threads=own.threads) as con:
        attach(con, published, "alliance", read_only=True)
        _require_core(con)
        catalogue = read_catalogue(con, names)
        wanted = _wanted_sets(sets, catalogue, settings, own.analyses)
        _require_sets(wanted, catalogue, settings)
        if save is None:
            con.execute(f"attach ':memory:' as {_WHAT_IF}")
        else:
            attach(con, save, _WHAT_IF)
        empty_results(con, contracts("results"), _WHAT_IF)
        registrar = Registrar(
            ResultTables(con, _WHAT_IF),
            code_version=code_version(),
            unverified=catalogue.unverified,
            progress=progress,
        )
        StudyAnalyses(con, catalogue, settings, registrar).run_components(wanted)
        ran = _read(con)
        if earlier is None:
            return ran
        attach(con, earlier, "earlier", read_only=True)
        return replace(ran, version=against, against_version=_against_version(con))


def _version_file(study: Study, version: str) -> Path:
    kept = versions(study.paths)
    if version not in kept:
        raise UsageError(
            f"there is no version {version}", next_step=f"use one that is kept: {', '.join(kept)} (`alliance versions`)"
        )
    return study.paths.version_dir(version) / "alliance.duckdb"


def _against_version(con: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Matched components of each analysis in this run and in the earlier version, on the items both have.

    The two share most of their rows, so that no interval would say anything.
    """
    rows: list[dict[str, Any]] = []
    ours, theirs = (
        con.execute(f"select analysis_id, item_id, component, loading from {database}.results.loadings").df()
        for database in (_WHAT_IF, "earlier")
    )
    for analysis_id, own in ours.groupby("analysis_id", sort=True):
        left = own.pivot(index="item_id", columns="component", values="loading")
        other = theirs[theirs["analysis_id"] == analysis_id]
        right = other.pivot(index="item_id", columns="component", values="loading")
        shared = left.index.intersection(right.index)
        if len(shared) < 2:
            continue
        found = match_columns(left.loc[shared].to_numpy(), right.loc[shared].to_numpy())
        for own_place, other_place, phi in zip(found.left, found.right, found.congruence, strict=True):
            rows.append(
                {
                    "analysis_id": analysis_id,
                    "component": int(left.columns[own_place]),
                    "other_component": int(right.columns[other_place]),
                    "congruence": float(phi),
                    "mark": mark(float(phi)),
                    "n_items": len(shared),
                }
            )
    columns = ["analysis_id", "component", "other_component", "congruence", "mark", "n_items"]
    return pd.DataFrame(rows, columns=columns)


def _wanted_sets(
    sets: Sequence[str], catalogue: Catalogue, settings: AnalysisSettings, own: AnalysisSettings
) -> tuple[str, ...]:
    """The set of `--items` where there is one and the ``sets`` named, else the sets the study asks for."""
    chosen = [CHOSEN] if any(each.name == CHOSEN for each in settings.item_sets) else []
    if chosen or sets:
        return tuple(dict.fromkeys([*chosen, *sets]))
    return tuple(dict.fromkeys(each.name for each in planned_sets(catalogue, own)))


def _require_sets(wanted: Sequence[str], catalogue: Catalogue, settings: AnalysisSettings) -> None:
    known = list(dict.fromkeys(each.name for each in planned_sets(catalogue, settings)))
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"there is no item set {name!r}.{did_you_mean(name, known)}",
                next_step=f"use one of {', '.join(known)}, or `--items` with ids of items or instruments",
            )


def _require_core(con: duckdb.DuckDBPyConnection) -> None:
    found = con.execute(
        "select table_name from duckdb_tables() where database_name = 'alliance' and schema_name = 'core'"
    ).fetchall()
    if not {name for (name,) in found} >= _CORE_TABLES:
        raise UsageError(
            "the published warehouse is of another make", next_step="`alliance refresh --full` makes it anew"
        )


def _read(con: duckdb.DuckDBPyConnection) -> ComponentsRun:
    tables = {
        name: con.execute(f"from {_WHAT_IF}.results.{identifier(name)} order by all").df()
        for name in ("analyses", *TABLES)
    }
    topics = dict(con.execute("select item_id, topic from alliance.core.items where topic is not null").fetchall())
    ids = [str(name) for name in tables["analyses"]["analysis_id"]]
    return ComponentsRun(tables, topics, {name: _against_published(con, name) for name in ids})


def _against_published(con: duckdb.DuckDBPyConnection, analysis_id: str) -> str:
    """Row by row in every table, on the columns both have (an older program published fewer)."""
    known = con.execute(
        "select count(*) from alliance.results.analyses where analysis_id = ?", [analysis_id]
    ).fetchone()
    if known is None or not known[0]:
        return "new"
    for table in TABLES:
        shared = con.execute(
            "select column_name from duckdb_columns() where schema_name = 'results' and table_name = ? "
            "and database_name in ('alliance', ?) group by all having count(*) = 2 order by all",
            [table, _WHAT_IF],
        ).fetchall()
        if not shared:
            continue
        listed = ", ".join(identifier(name) for (name,) in shared)
        ours, theirs = (
            f"(select {listed} from {database}.results.{identifier(table)} where analysis_id = $id)"
            for database in (_WHAT_IF, "alliance")
        )
        differing = con.execute(
            f"select count(*) from (({ours} except all {theirs}) union all ({theirs} except all {ours}))",
            {"id": analysis_id},
        ).fetchone()
        if differing is None or differing[0]:
            return "different"
    return "same"


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    whole = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in whole.to_dict("records")]


__all__ = ["CHOSEN", "JOINT", "ComponentsRun", "all_changes", "changed_settings", "items_asked", "run", "with_sets"]
