"""Make a study's folder: an annotated empty one, or the demo study."""

from __future__ import annotations

from pathlib import Path

from flows.common.errors import UsageError
from flows.settings.codebook import load_codebook

STUDY = """\
# The study. Every key is explained in docs/reference/study.md; a key that does not exist is an error, not ignored.
study: {slug}
title: "{title}"

# A scale is scored when at least this share of its items is answered.
min_share_answered: 0.8

# Sessions that are compared between client and therapist. A site's session numbers fall into a window,
# or a site's own words are mapped to these names in its file.
sessions:
  - {{session: s05, label: Session 5, numbers: [3, 7], target: 5}}
  - {{session: last, label: Last session}}

# What a refresh may use.
memory_limit: 2GB
threads: 2
"""

SITE = """\
# One site: who it is and how to read its files. Copy this file for every site; its name is the site's id.
site: example
name: Example clinic

# What you expect of it; the checks shout when it does not come.
# expected: {{clients: 30, by: 2026-12-31, every_days: 31}}

files:
  - name: ratings
    pattern: "*.csv"                       # below deliveries/example
    format: csv                            # or excel, spss, stata, parquet, redcap, qualtrics
    csv: {{encoding: utf-8, delimiter: ","}} # declared, never guessed
    client: client                         # the columns with the ids; they stay text and never leave this study
    therapist: therapist
    session: session
    date: {{column: date, format: iso}}      # iso is 2026-11-23; others as "%d.%m.%Y"
    missing: {{"99": not applicable}}        # codes that are no answers, with what they mean
    # free_text: [remarks]                 # never loaded, only counted
    forms:
      - instrument: wai_s
        rater: {{column: rater, map: {{client: client, therapist: therapist}}}}
        items: "WAI_{{item}}"                # WAI_1 ... WAI_12
"""

NEXT_STEPS = """\
made {folder}: study.yml, sites/example.yml, deliveries/example/
next: put a site's files into deliveries/<site>, describe them in sites/<site>.yml, and run
  alliance check {folder}"""


def make_empty(folder: Path) -> str:
    """Write an annotated study that `alliance check` accepts as it is; returns what was done.

    Raises
    ------
    UsageError
        The folder has a study already.
    """
    if (folder / "study.yml").exists():
        raise UsageError(f"{folder} has a study already", next_step="choose another folder; nothing was changed")
    (folder / "sites").mkdir(parents=True, exist_ok=True)
    (folder / "deliveries" / "example").mkdir(parents=True, exist_ok=True)
    name = folder.resolve().name
    slug = "".join(c if c.isascii() and c.isalnum() else "_" for c in name.lower()).strip("_")
    slug = slug[:40] if slug[:1].isalpha() else f"study_{slug}"[:40]
    (folder / "study.yml").write_text(STUDY.format(slug=slug, title=name.replace('"', "'")), encoding="utf-8")
    (folder / "sites" / "example.yml").write_text(SITE.format(), encoding="utf-8")
    return NEXT_STEPS.format(folder=folder)


def make_demo(folder: Path) -> str:
    """Write the demo study; returns what was done. A folder that has a study is left as it is."""
    if (folder / "study.yml").exists():
        return f"{folder} is there already and was left as it is"
    import demo

    demo.generate(folder, load_codebook())
    return f"made the demo study in {folder}; its truth and its dirt are written in {folder / 'truth'}"
