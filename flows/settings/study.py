"""A study's settings, loaded and checked: study.yml, sites/*.yml and the codebook."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from flows.common.errors import ConfigurationError, ConfigurationProblem
from flows.common.paths import StudyPaths
from flows.common.yaml_text import KeyPath, YamlText, parse_yaml, read_yaml
from flows.settings.codebook import Codebook, CodebookError, load_codebook
from flows.settings.settings_problems import did_you_mean, explain, key_path, use_an_instrument
from flows.settings.settings_types import Settings
from flows.settings.site_checks import Found, check_site
from flows.settings.site_models import SiteSettings
from flows.settings.study_models import StudySettings

Model = TypeVar("Model", bound=Settings)


@dataclass(frozen=True)
class Study:
    """A study ready for use.

    ``sites`` holds the usable sites by id, in alphabetical order. ``invalid_sites`` names those whose file cannot be
    used; ``problems`` says why (both empty after a strict load).
    """

    paths: StudyPaths
    settings: StudySettings
    sites: dict[str, SiteSettings]
    codebook: Codebook
    problems: tuple[ConfigurationProblem, ...] = ()
    invalid_sites: tuple[str, ...] = ()


@dataclass
class _Loading:
    """What has been found so far while files are read."""

    problems: list[ConfigurationProblem] = field(default_factory=list)
    sites: dict[str, SiteSettings] = field(default_factory=dict)
    invalid_sites: list[str] = field(default_factory=list)


def load_study(folder: Path, *, strict: bool = True) -> Study:
    """Reads and checks all settings of the study in ``folder``.

    With ``strict`` every problem of any file raises. Without it, problems of single site files leave these sites out
    (``Study.invalid_sites``) so that the others can go on; problems of study.yml or the codebook always raise.

    Raises ConfigurationError with all problems of all files.
    """
    paths = StudyPaths(folder.resolve())
    loading = _Loading()
    codebook = _load_codebook(paths, loading.problems)
    settings = _load_settings(paths, codebook, loading.problems)
    for path in _site_files(paths, loading):
        _load_site(path, paths, settings, codebook, loading)
    common = [each for each in loading.problems if each.site_id is None]
    if settings is None or codebook is None or common or (strict and loading.problems):
        raise ConfigurationError(loading.problems, study=paths.folder.name)
    return Study(
        paths, settings, loading.sites, codebook, tuple(loading.problems), tuple(sorted(loading.invalid_sites))
    )


def parse_study_settings(text: str, file: str = "study.yml") -> tuple[StudySettings | None, list[ConfigurationProblem]]:
    """The settings in the text of a study.yml, and what is wrong with it; without the codebook's checks."""
    problems: list[ConfigurationProblem] = []
    return _validated(parse_yaml(text), StudySettings, file, None, problems), problems


def parse_site_settings(
    text: str, settings: StudySettings | None, codebook: Codebook | None, file: str = "site.yml"
) -> tuple[SiteSettings | None, list[ConfigurationProblem]]:
    """The settings in the text of a site file, and all that is wrong with it."""
    source = parse_yaml(text)
    problems: list[ConfigurationProblem] = []
    site = _validated(source, SiteSettings, file, Path(file).stem, problems)
    if site is not None:
        problems += _located(check_site(site, settings, codebook), source, file, site.site)
    return site, problems


def _load_codebook(paths: StudyPaths, problems: list[ConfigurationProblem]) -> Codebook | None:
    try:
        return load_codebook(paths.codebook_dir)
    except CodebookError as error:
        problems += [_codebook_problem(each) for each in error.problems]
        return None


def _codebook_problem(sentence: str) -> ConfigurationProblem:
    # The codebook says its places in one sentence: "codebook/items.csv, line 2, column theme: ...".
    advice = "see docs/reference/codebook.md for what these files hold"
    found = re.match(r"([^,:]+\.csv)(?:, line (\d+))?(?:, column ([^:]+))?: (.+)", sentence, re.DOTALL)
    if found is None:
        return ConfigurationProblem("codebook", None, "", sentence, advice)
    file, line, column, message = found.groups()
    return ConfigurationProblem(file, int(line) if line else None, column or "", message.rstrip("."), advice)


def _load_settings(
    paths: StudyPaths, codebook: Codebook | None, problems: list[ConfigurationProblem]
) -> StudySettings | None:
    source = read_yaml(paths.study_file)
    settings = _validated(source, StudySettings, "study.yml", None, problems)
    if settings is not None and codebook is not None:
        problems += _located(check_analyses(settings, codebook), source, "study.yml", None)
    return settings


def _site_files(paths: StudyPaths, loading: _Loading) -> Iterator[Path]:
    if not paths.sites_dir.is_dir():
        return
    for path in sorted(paths.sites_dir.iterdir()):
        if path.suffix == ".yml" and not path.name.startswith("."):
            yield path
        elif path.suffix.lower() in (".yaml", ".yml"):
            loading.invalid_sites.append(path.stem)
            loading.problems.append(
                ConfigurationProblem(
                    paths.relative(path),
                    None,
                    "",
                    "this file is not read",
                    f"name it {path.stem.lstrip('.')}.yml",
                    path.stem,
                )
            )


def _load_site(
    path: Path, paths: StudyPaths, settings: StudySettings | None, codebook: Codebook | None, loading: _Loading
) -> None:
    file, site_id = paths.relative(path), path.stem
    source = read_yaml(path)
    found: list[ConfigurationProblem] = []
    site = _validated(source, SiteSettings, file, site_id, found)
    if site is not None:
        if site.site != site_id:
            wrong = Found(
                ("site",),
                f"the site is {site.site!r} and its file is named {path.name!r}",
                f"name the file {site.site}.yml, or write `site: {site_id}`",
            )
            found += _located([wrong], source, file, site_id)
        found += _located(check_site(site, settings, codebook), source, file, site_id)
    elif isinstance(source.data, dict):
        found += _unknown_instruments(source, codebook, file, site_id, found)
    loading.problems += sorted(found, key=lambda each: each.line or 0)
    if found or site is None:
        loading.invalid_sites.append(site_id)
    else:
        loading.sites[site_id] = site


def _validated(
    source: YamlText, model: type[Model], file: str, site_id: str | None, problems: list[ConfigurationProblem]
) -> Model | None:
    problems += [
        ConfigurationProblem(file, each.line, key_path(each.key_path), each.message, each.next_step, site_id)
        for each in source.problems
    ]
    if source.data is None:
        return None
    if not isinstance(source.data, dict):
        # Its contents may be anything, also a delivery saved under the wrong name: they are not shown.
        what = "a list" if isinstance(source.data, list) else "text"
        message = f"the file holds {what} where keys with values belong"
        problems.append(ConfigurationProblem(file, 1, "", message, "write `key: value` lines", site_id))
        return None
    try:
        return model.model_validate(source.data)
    except ValidationError as error:
        problems += explain(error, model, source, file, site_id)
        return None


def _located(
    found: Iterable[Found], source: YamlText, file: str, site_id: str | None
) -> Iterator[ConfigurationProblem]:
    for each in found:
        yield ConfigurationProblem(
            file, source.line_of(each.path), key_path(each.path), each.message, each.next_step, site_id
        )


def _unknown_instruments(
    source: YamlText,
    codebook: Codebook | None,
    file: str,
    site_id: str,
    known_problems: list[ConfigurationProblem],
) -> Iterator[ConfigurationProblem]:
    """Unknown instruments of a file that has other problems too, so that one round of mending is enough."""
    if codebook is None:
        return
    told = {each.key_path for each in known_problems}
    for path, instrument in _named_instruments(source.data, ()):
        if instrument not in codebook.instruments and key_path(path) not in told:
            hint = did_you_mean(instrument, codebook.instruments)
            yield ConfigurationProblem(
                file,
                source.line_of(path),
                key_path(path),
                f"the codebook has no instrument {instrument!r}.{hint}",
                use_an_instrument(codebook.instruments),
                site_id,
            )


def _named_instruments(value: object, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "instrument" and isinstance(inner, str):
                yield (*path, key), inner
            yield from _named_instruments(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _named_instruments(inner, (*path, index))


def check_analyses(settings: StudySettings, codebook: Codebook) -> Iterator[Found]:
    """What in the settings of the analyses the study or the codebook does not have."""
    path: KeyPath = ("analyses",)
    analyses = settings.analyses
    rules = ["last", "mean", *(each.session for each in settings.sessions)]
    if analyses.session_rule not in rules:
        yield Found(
            (*path, "session_rule"),
            f"there is no session {analyses.session_rule!r}.{did_you_mean(analyses.session_rule, rules)}",
            f"use one of {', '.join(dict.fromkeys(rules))}",
        )
    ratings = ["same", "last_before", "mean_before", *rules]
    if analyses.outcome_session not in ratings:
        yield Found(
            (*path, "outcome_session"),
            f"there is no session {analyses.outcome_session!r}.{did_you_mean(analyses.outcome_session, ratings)}",
            f"use one of {', '.join(dict.fromkeys(ratings))}",
        )
    for index, item_set in enumerate(analyses.item_sets):
        known_words: tuple[tuple[str, tuple[str, ...], Iterable[str]], ...] = (
            ("instruments", item_set.instruments, codebook.instruments),
            ("items", item_set.items, codebook.item_ids),
        )
        for key, named, known in known_words:
            for position, name in enumerate(named):
                if name not in known:
                    yield Found(
                        (*path, "item_sets", index, key, position),
                        f"the codebook has no {key[:-1]} {name!r}.{did_you_mean(name, known)}",
                        use_an_instrument(codebook.instruments)
                        if key == "instruments"
                        else "use items of the codebook: an instrument and a number of it, such as wai_s_01",
                    )
    sets = {each.name for each in analyses.item_sets} | set(codebook.instruments)
    for index, exception in enumerate(analyses.n_components.exceptions):
        if exception.item_set is not None and exception.item_set not in sets:
            yield Found(
                (*path, "n_components", "exceptions", index, "item_set"),
                f"there is no item set {exception.item_set!r}.{did_you_mean(exception.item_set, sets)}",
                "name an instrument, joint, or a set of `item_sets`",
            )
