"""Small studies and headers for the tests of settings and layout."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from flows.layout.layout import Layout, resolve_layout
from flows.settings.delivery_headers import DeliveredColumn, DeliveryHeader
from flows.settings.study import Study, load_study

STUDY_YML = """
study: demo
title: Demo
sessions:
  - {session: s05, label: Session 5, numbers: [3, 7], target: 5}
  - {session: last, label: Last session}
"""


def file_entry(forms: str, **keys: str) -> str:
    """An entry of `files` with the usual keys; ``forms`` are YAML lines, each form beginning with a dash."""
    usual = {"name": "ratings", "pattern": '"*.csv"', "format": "csv", "client": "id", "session": "session"}
    lines = [f"{key}: {value}" for key, value in {**usual, **keys}.items() if value]
    text = "\n".join([*lines, "forms:", textwrap.indent(textwrap.dedent(forms).strip(), "  ")])
    return "- " + textwrap.indent(text, "  ").lstrip()


def site_yml(*files: str, site: str = "north", more: str = "") -> str:
    """A site file with these entries of `files`."""
    return f"site: {site}\nname: Clinic {site}\n{more}files:\n" + textwrap.indent("\n".join(files), "  ") + "\n"


def write_study(folder: Path, sites: Mapping[str, str], study: str = STUDY_YML) -> Path:
    """A study folder with site files by name."""
    (folder / "sites").mkdir(parents=True, exist_ok=True)
    (folder / "study.yml").write_text(study, encoding="utf-8")
    for name, text in sites.items():
        (folder / "sites" / f"{name}.yml").write_text(text, encoding="utf-8")
    return folder


def study_of(folder: Path, *files: str, study: str = STUDY_YML) -> Study:
    """A study with the one site ``north`` and these entries of `files`."""
    return load_study(write_study(folder, {"north": site_yml(*files)}, study))


def header(
    names: Sequence[str | DeliveredColumn],
    number: int = 1,
    site: str = "north",
    spec: str = "ratings",
    file: str = "a.csv",
) -> DeliveryHeader:
    """A delivery with these columns."""
    columns = tuple(
        DeliveredColumn(place, each) if isinstance(each, str) else each for place, each in enumerate(names, start=1)
    )
    return DeliveryHeader(number, site, spec, file, columns)


def layout_of(study: Study, *headers: DeliveryHeader) -> Layout:
    """The layout with the study's own codebook."""
    return resolve_layout(study, study.codebook, headers)


def wai_columns(prefix: str = "w", n: int = 12) -> list[str]:
    """``w1`` to ``w12``."""
    return [f"{prefix}{number}" for number in range(1, n + 1)]
