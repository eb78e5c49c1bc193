"""dbt's own unit tests, one for every model that decides something, run on a build that holds their tables."""

from __future__ import annotations

import json
import re
from pathlib import Path

import duckdb
import pytest
import yaml

from tests.integration.dbt_runs import PROJECT, run_dbt
from tests.integration.quality_study import make_landing

CATEGORIES = re.compile(r"alliance\.core\.(\w+)")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build in which the lists of names are plain text, since unit tests make up items and sites of their own."""
    folder = tmp_path_factory.mktemp("unit_tests")
    make_landing(folder / "landing.duckdb")
    contracts = "".join(file.read_text() for file in PROJECT.glob("models/marts/*/_*.yml"))
    with duckdb.connect(str(folder / "alliance.duckdb")) as connection:
        connection.execute("create schema core")
        for name in sorted(set(CATEGORIES.findall(contracts))):
            connection.execute(f"create type core.{name} as varchar")
    run_dbt(folder, "build", "--exclude", "path:seeds", "--exclude-resource-type", "unit_test")
    return folder


def test_every_decision_holds(built: Path) -> None:
    done = run_dbt(built, "test", "--select", "test_type:unit")
    target = Path(done.args[done.args.index("--target-path") + 1])
    results = json.loads((target / "run_results.json").read_text())["results"]
    run = [result for result in results if result["unique_id"].startswith("unit_test.")]
    files = [yaml.safe_load(file.read_text()) for file in PROJECT.glob("models/**/*.yml")]
    assert len(run) == sum(len(file.get("unit_tests", [])) for file in files) >= 25
