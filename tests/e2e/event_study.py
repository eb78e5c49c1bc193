"""A made-up study to which things happen, and what its answers must then be, worked out from the documentation alone.

Three sites: `wide` sends full exports with both raters in a record, `apart` sends additional files with a rater
column, `long` sends full exports of one answer a row. `World` keeps what the sites hold and what they delivered;
`expected` says which answers a warehouse must hold, without a line of the code that makes one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml

N_ITEMS = 12
SITES = {"wide": "full", "apart": "additional", "long": "full"}
RATERS = {"C": "client", "T": "therapist"}
ANSWERS = ["1", "2", "3", "4", "5", "5", "", "99", "9", "abc"]
# client, session, letter of the rater
FormKey = tuple[str, str, str]
# therapist, day, answers
Form = tuple[str, str, list[str]]


def expected_answer(text: str, missing: Iterable[str]) -> tuple[str, float | None]:
    """Status and value of one cell of the WAI-S, which is answered 1 to 7."""
    if text == "":
        return "blank", None
    if text in missing:
        return "declared_missing", None
    return ("accepted", float(text)) if text in set("1234567") else ("rejected", None)


@dataclass
class World:
    """What the sites know, what they sent, and what was said in the settings."""

    folder: Path
    random: Random
    forms: dict[str, dict[FormKey, Form]] = field(default_factory=lambda: {site: {} for site in SITES})
    sent: dict[str, list[str]] = field(default_factory=lambda: {site: [] for site in SITES})
    named: dict[str, dict[str, str]] = field(default_factory=lambda: {site: {} for site in SITES})
    first_names: dict[str, dict[str, str]] = field(default_factory=lambda: {site: {} for site in SITES})
    missing: dict[str, set[str]] = field(default_factory=lambda: {site: {"99"} for site in SITES})
    left_out: dict[str, set[str]] = field(default_factory=lambda: {site: set() for site in SITES})
    away: set[str] = field(default_factory=set)
    waiting: dict[str, dict[str, str]] = field(default_factory=lambda: {site: {} for site in SITES})
    withdrawn: set[tuple[str, str]] = field(default_factory=set)
    n_files: int = 0

    def make(self) -> None:
        """Write the settings and the first delivery of every site."""
        (self.folder / "sites").mkdir(parents=True)
        self.write_study(pairing_max_days=5)
        for site in SITES:
            (self.folder / "deliveries" / site).mkdir(parents=True)
            self.write_site(site)
            self.grow(site, 6)
            self.deliver(site)

    def write_study(self, pairing_max_days: int) -> None:
        study = {
            "study": "events",
            "title": "Orders of events",
            "analyses": {"bootstrap": 0, "min_rows": 100_000},
            "sessions": [{"session": "s01", "numbers": [1, 1]}, {"session": "s02", "numbers": [2, 2]}],
            "pairing_max_days": pairing_max_days,
            "thresholds": {"forms_vanished": {"threshold": 1.0, "reason": "clients come and go here on purpose"}},
        }
        (self.folder / "study.yml").write_text(yaml.safe_dump(study))

    def write_site(self, site: str) -> None:
        file: dict[str, Any] = {
            "name": "ratings", "pattern": "*.csv", "format": "csv", "deliveries": SITES[site], "client": "cl",
            "therapist": "th", "session": "se", "date": {"column": "date", "format": "iso"},
            "missing": dict.fromkeys(sorted(self.missing[site]), "not asked"),
        }  # fmt: skip
        if self.left_out[site]:
            file["leave_out"] = sorted(self.left_out[site])
        if site == "wide":
            file["forms"] = [
                {"instrument": "wai_s", "rater": rater, "items": f"{letter}{{item}}"}
                for letter, rater in RATERS.items()
            ]
        else:
            file["forms"] = [{"instrument": "wai_s", "rater": {"column": "ra", "map": RATERS}, "items": "q{item}"}]
        if site == "long":
            file |= {"shape": "long", "item_code": "it", "value": "va"}
        text = yaml.safe_dump({"site": site, "name": site, "files": [file]})
        if site not in self.away:
            (self.folder / "sites" / f"{site}.yml").write_text(text)

    def leave_or_return(self, site: str) -> None:
        """The site's file is taken away, and put back the next time."""
        if site in self.away:
            self.away.remove(site)
            self.write_site(site)
        else:
            self.away.add(site)
            (self.folder / "sites" / f"{site}.yml").unlink()

    def leave_out(self, site: str) -> None:
        """Take back what was first seen under the first of the site's names, or let it count again."""
        self.left_out[site] ^= {min(self.first_names[site].values())}
        self.write_site(site)

    def grow(self, site: str, n_clients: int) -> None:
        """New clients with up to two sessions, most of them rated by both."""
        known = len({client for client, _, _ in self.forms[site]})
        for number in range(known + 1, known + 1 + n_clients):
            therapist = f"T{self.random.randint(1, 3)}"
            for session in "12":
                for rater in RATERS:
                    if self.random.random() < 0.85:
                        day = f"2024-0{session}-{self.random.randint(10, 14)}"
                        answers = [self.random.choice(ANSWERS) for _ in range(N_ITEMS)]
                        self.forms[site][f"K{number:03d}", session, rater] = (therapist, day, answers)

    def correct(self, site: str) -> None:
        """Another answer in one form of eight."""
        keys = sorted(self.forms[site])
        for key in self.random.sample(keys, max(1, len(keys) // 8)):
            therapist, day, answers = self.forms[site][key]
            place = self.random.randrange(N_ITEMS)
            changed = [*answers[:place], self.random.choice(ANSWERS), *answers[place + 1 :]]
            self.forms[site][key] = (therapist, day, changed)

    def lose(self, site: str) -> None:
        """A client who is in no later export."""
        gone = self.random.choice(sorted(self.forms[site]))[0]
        self.forms[site] = {key: form for key, form in self.forms[site].items() if key[0] != gone}

    def export(self, site: str) -> str:
        """The site's file as text: all forms of a full export, those of a third of the clients otherwise."""
        forms = self.forms[site]
        if SITES[site] == "additional":
            clients = sorted({key[0] for key in forms})
            chosen = set(self.random.sample(clients, max(1, len(clients) // 3)))
            forms = {key: form for key, form in forms.items() if key[0] in chosen}
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows(_EXPORTS[site](forms))
        return text.getvalue()

    def deliver(self, site: str, text: str | None = None, name: str | None = None) -> None:
        """Put a file into the site's folder."""
        text = self.export(site) if text is None else text
        if name is None:
            self.n_files += 1
            name = f"d{self.n_files:04d}.csv"
        (self.folder / "deliveries" / site / name).write_text(text)
        self.waiting[site][name] = text

    def refreshed(self) -> None:
        """A refresh has seen what lay in the folders, in the order of names.

        What is sent last counts; bytes under another name are not sent again, bytes put back under their own are.
        """
        for site, files in self.waiting.items():
            for name, text in sorted(files.items()):
                put_back = self.named[site].get(name, text) != text
                if text not in self.sent[site] or put_back:
                    self.sent[site] = [*(one for one in self.sent[site] if one != text), text]
                self.named[site][name] = text
                self.first_names[site].setdefault(text, name)
            files.clear()

    def landed_files(self, site: str) -> list[Path]:
        """Files that are there and were seen; what is changed before anybody saw it was never delivered."""
        files = sorted((self.folder / "deliveries" / site).glob("*.csv"))
        return [file for file in files if file.name not in self.waiting[site]]

    def withdraw(self, site: str) -> None:
        self.withdrawn.add((site, self.random.choice(sorted(self.forms[site]))[0]))
        rows = "".join(f"{site},{client},2024-05-05\n" for site, client in sorted(self.withdrawn))
        (self.folder / "withdrawals.csv").write_text("site,client,date\n" + rows)

    def expected(self) -> set[tuple[Any, ...]]:
        """Site, client, therapist, session, rater, item number, status and value of every answer, with sites' ids."""
        rows = set()
        for site, kind in SITES.items():
            standing: dict[tuple[str, str, str, str], list[str | None]] = {}
            if site in self.away:
                continue
            sent = [text for text in self.sent[site] if self.first_names[site][text] not in self.left_out[site]]
            for text in sent[-1:] if kind == "full" else sent:
                standing |= _forms_in(site, text)
            for (client, therapist, session, rater), answers in standing.items():
                if (site, client) not in self.withdrawn:
                    for number, answer in enumerate(answers, 1):
                        if answer is not None:
                            said = expected_answer(answer, self.missing[site])
                            rows.add((site, client, therapist, session, RATERS[rater], number, *said))
        return rows


def _wide(forms: dict[FormKey, Form]) -> Iterable[list[str]]:
    numbers = range(1, N_ITEMS + 1)
    yield ["cl", "th", "se", "date", *(f"{letter}{number}" for letter in RATERS for number in numbers)]
    for client, session in sorted({key[:2] for key in forms}):
        both = [forms.get((client, session, rater)) for rater in RATERS]
        therapist, day, _ = next(form for form in both if form)
        answers = [answer for form in both for answer in (form[2] if form else [""] * N_ITEMS)]
        yield [client, therapist, session, day, *answers]


def _apart(forms: dict[FormKey, Form]) -> Iterable[list[str]]:
    yield ["cl", "th", "se", "date", "ra", *(f"q{number}" for number in range(1, N_ITEMS + 1))]
    for (client, session, rater), (therapist, day, answers) in sorted(forms.items()):
        yield [client, therapist, session, day, rater, *answers]


def _long(forms: dict[FormKey, Form]) -> Iterable[list[str]]:
    yield ["cl", "th", "se", "date", "ra", "it", "va"]
    for (client, session, rater), (therapist, day, answers) in sorted(forms.items()):
        for number, answer in enumerate(answers, 1):
            yield [client, therapist, session, day, rater, f"q{number}", answer]


_EXPORTS = {"wide": _wide, "apart": _apart, "long": _long}


def _forms_in(site: str, text: str) -> dict[tuple[str, str, str, str], list[str | None]]:
    """Client, therapist, session and rater -> answers; a wide form that is blank all over is none."""
    found: dict[tuple[str, str, str, str], list[str | None]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        who = (row["cl"], row["th"], row["se"])
        if site == "long":
            answers = found.setdefault((*who, row["ra"]), [None] * N_ITEMS)
            answers[int(row["it"][1:]) - 1] = row["va"]
            continue
        for rater in RATERS if site == "wide" else [row["ra"]]:
            letter = rater if site == "wide" else "q"
            answers = [row[f"{letter}{number}"] for number in range(1, N_ITEMS + 1)]
            if any(answers):
                found[*who, rater] = answers
    return found
