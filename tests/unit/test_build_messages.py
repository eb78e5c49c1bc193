"""What dbt and DuckDB say is passed on without any value of the data."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.building import build as building
from flows.building.build import build, plainly_named, without_values
from flows.common.errors import BuildError
from flows.common.paths import StudyPaths


@pytest.mark.parametrize(
    ("said", "passed_on"),
    [
        ("Conversion Error: Could not convert string 'Anna Meier' to DOUBLE", "Could not convert string '...' to"),
        ('Constraint Error: Duplicate key "form_id: 12" violates', "Duplicate key '...' violates"),
        ('Catalog Error: Table "core.forms" does not exist', 'Table "core.forms" does not exist'),
        ("first line\n  second 'secret'\n", "first line second '...'"),
        ("Could not convert string 'Anna O'Secret 12' to DOUBLE", "Could not convert string '...' to DOUBLE"),
        ('Cannot cast \'it\'s "secret"\' in column "value"', "Cannot cast '...' in column \"value\""),
    ],
)
def test_quoted_values_are_taken_out_and_identifiers_stay(said: str, passed_on: str) -> None:
    assert passed_on in without_values(said)
    for secret in ("Anna", "secret", "12"):
        assert secret not in without_values(said)


@pytest.mark.parametrize("name", ["O'Brien", 'the "new" study', "study #1", "what?", "{{ x }}", "a;b", "100%", "a&b"])
def test_a_path_that_dbt_cannot_take_gets_a_plain_name_for_the_run(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    with plainly_named(StudyPaths(folder)) as named:
        assert named.folder.resolve() == folder
        assert not set(str(named.landing_file)) & set("'\"#?{};%&")
        link = named.folder
    assert folder.is_dir() and not link.is_symlink()


def test_an_ordinary_path_is_its_own_name(tmp_path: Path) -> None:
    folder = tmp_path / "Größe 2, neu"
    folder.mkdir()
    with plainly_named(StudyPaths(folder)) as named:
        assert named.folder == folder


@pytest.mark.parametrize(
    ("said", "results", "told"),
    [
        (["killed\n"], "", "could not write its results to the end"),
        # dbt's own files fail, with a traceback longer than any message, and more errors after it
        ([{"error": "Traceback " + "File 'x.py', line 1 ^^^ " * 99 + "OSError: [Errno 28] No space left on device"},
          {"error": "Runtime Error"}], None, "no space left on the disk"),
        # so does a model
        ([{"error": "IO Error: Could not write file 'x': No space left on device"}],
         {"results": [{"unique_id": "model.alliance.forms", "status": "error", "message": "IO Error"}]},
         "no space left on the disk"),
    ],
)  # fmt: skip
def test_a_disk_that_ran_full_is_no_defect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[object], results: object, told: str
) -> None:
    paths = StudyPaths(tmp_path)

    class Stopped:
        """A dbt whose disk ran full."""

        stdin = io.StringIO()
        stdout = iter([line if isinstance(line, str) else json.dumps(line) + "\n" for line in said])
        returncode = 2

        def __init__(self, *_: object, **__: object) -> None:
            if results is not None:
                text = results if isinstance(results, str) else json.dumps(results)
                (paths.dbt_target_dir / "run_results.json").write_text(text)

        def wait(self) -> None:
            """It has ended."""

    monkeypatch.setattr("subprocess.Popen", Stopped)
    with pytest.raises(BuildError, match=told) as failed:
        build(paths, full=True, prepare=lambda: None, memory_limit="1GB", threads=1, progress=lambda _: None)
    assert "defect" not in str(failed.value) and "^^^" not in str(failed.value)


def test_dbt_does_not_begin_when_its_files_could_not_be_laid(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)

    def fail() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        build(paths, full=True, prepare=fail, memory_limit="1GB", threads=1, progress=lambda _: None)
    assert not (paths.dbt_target_dir / "run_results.json").exists()


def test_no_process_is_left_waiting_when_landing_fails(tmp_path: Path) -> None:
    paths = StudyPaths(tmp_path)
    building.load_ahead(paths, memory_limit="1GB", threads=1)
    process = building._waiting[paths, "1GB", 1]
    with pytest.raises(OSError, match="gone"), building.dismissed_on_error(paths):
        raise OSError("gone")
    assert process.poll() is not None
    assert (paths, "1GB", 1) not in building._waiting


def test_a_process_that_waits_ends_with_the_refresh_that_started_it(tmp_path: Path) -> None:
    building.load_ahead(StudyPaths(tmp_path), memory_limit="1GB", threads=1)
    process = building._waiting[StudyPaths(tmp_path), "1GB", 1]
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=120) == 0
    building.dismiss(StudyPaths(tmp_path))


def test_a_build_ends_with_the_refresh_that_started_it() -> None:
    """A refresh that was killed leaves no dbt behind that keeps its files locked, whatever dbt is at."""
    at_work = (
        "import threading, time; from flows.building.dbt_process import _end_with_input; "
        "threading.Thread(target=_end_with_input, daemon=True).start(); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", at_work], stdin=subprocess.PIPE)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=20) == 1
