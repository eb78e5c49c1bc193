"""Small studies in a temporary folder, for the tests of landing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from flows.common.problems import Problem
from flows.landing.land import Landed, land
from flows.landing.opening import open_store
from flows.landing.reading import Limits, Reader, Reading, Source
from flows.landing.records import SEPARATOR, PackingSink
from flows.landing.store import LandingStore
from flows.settings.delivery_headers import DeliveredColumn
from flows.settings.site_models import FileSettings
from flows.settings.study import Study, load_study

FORM = {"instrument": "wai_s", "rater": "client", "items": ["q1", "q2"] + [None] * 10}


def file_settings(file_format: str = "csv", **changes: Any) -> dict[str, Any]:
    """One entry of a site file's ``files``."""
    return {
        "name": "ratings",
        "pattern": "*",
        "format": file_format,
        "client": "client",
        "session": {"value": "1"},
        "forms": [FORM],
        **changes,
    }


def parsed(file_format: str = "csv", **changes: Any) -> FileSettings:
    """The same, as the model readers get."""
    return FileSettings.model_validate(file_settings(file_format, **changes))


class ReadRecords:
    """What a reader gave: the reading, records by row number as stored, and all problems."""

    def __init__(self, reading: Reading, records: dict[int, list[str]], problems: list[Problem]) -> None:
        self.reading, self.records, self.problems = reading, records, problems

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.reading.columns]

    @property
    def kinds(self) -> set[str]:
        return {problem.problem for problem in self.problems}

    def column(self, name: str) -> DeliveredColumn:
        return next(column for column in self.reading.columns if column.name == name)


def read(reader: Reader, path: Path, settings: FileSettings, **source: Any) -> ReadRecords:
    """Run a reader on a file through the real packing, and unpack what would be stored.

    Holds in passing for every reader: as many records as counted, and as many cells.
    """
    records: dict[int, list[str]] = {}

    def write(batch: Any) -> None:
        for row in batch.to_pylist():
            assert row["row_number"] not in records
            records[row["row_number"]] = row["listed"] if row["packed"] is None else row["packed"].split(SEPARATOR)

    given = Source(path, "north", "file", settings, **source)
    sink = PackingSink(given, write)
    reading = reader.read(given, sink)
    sink.flush()
    assert reading.n_rows == len(records)
    assert reading.n_cells == sum(len(cells) for cells in records.values())
    return ReadRecords(reading, records, [*reading.problems, *sink.problems()])


def make_study(folder: Path, sites: dict[str, list[dict[str, Any]]]) -> Study:
    """A study with the given ``files`` for each site; makes the folders of deliveries."""
    (folder / "sites").mkdir(parents=True, exist_ok=True)
    (folder / "study.yml").write_text("study: small\ntitle: Small\n")
    for site_id, files in sites.items():
        (folder / "deliveries" / site_id).mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump({"site": site_id, "name": site_id.title(), "files": files})
        (folder / "sites" / f"{site_id}.yml").write_text(text)
    return load_study(folder)


@contextmanager
def landed(
    study: Study, refresh_id: str = "r1", limits: Limits | None = None, progress: Callable[[str], None] | None = None
) -> Iterator[tuple[Landed, LandingStore]]:
    """Land a study and look at its store."""
    with open_store(study.paths) as store:
        yield land(study, study.paths, refresh_id, store, limits=limits, progress=progress or (lambda _: None)), store


def kinds(result: Landed) -> set[str]:
    """Slugs of what landing told."""
    return {problem.problem for problem in result.problems}
