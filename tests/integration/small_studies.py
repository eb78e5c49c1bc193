"""Hand-made deliveries with one case of everything that the build decides."""

from __future__ import annotations

from tests.integration.raw_fixture import Block, Delivery

WIDE_COLUMNS = ("Client", "Therapist", "Session", "Date", "K1", "K2", "K3", "K4", "T1", "T2", "T3", "T4", "Note")
WIDE_KEYS = {"client": "Client", "therapist": "Therapist", "session": "Session", "date": "Date"}
FREQUENCIES = {"never": 1, "rarely": 2, "sometimes": 3, "often": 4, "always": 5}


def _mini(rater: str, prefix: str) -> Block:
    bound = {f"{prefix}{number}": number for number in range(1, 5)}
    return Block("mini", bound, WIDE_KEYS, rater, date_format="%d.%m.%Y", missing={"n/a": "no answer"})


def wide(*records: list[str]) -> Delivery:
    """A file with both raters in one record."""
    return Delivery("wide", "ratings", WIDE_COLUMNS, records, [_mini("client", "K"), _mini("therapist", "T")])


def full(*records: list[str]) -> Delivery:
    """A file of which each newer one replaces the older whole."""
    keys = {"client": "id", "therapist": "th", "session": "s"}
    block = Block("mini", {f"i{n}": n for n in range(1, 5)}, keys, "client")
    return Delivery("full", "export", ("id", "th", "s", "i1", "i2", "i3", "i4"), records, [block], full=True)


FIRST_WIDE = wide(
    ["C1", "T1", "5", "05.02.2024", "5", "1", "4", "2", "4", "2", "3", "3", "x"],
    # a day that does not exist, a number out of range, a broken formula, a declared code, a blank
    ["C2", "T1", " 6 ", "31.02.2024", "9", "#VALUE!", "N/A", " ", "", "", "", "", ""],
    # no therapist here, but only one in the client's other record
    ["C3", "", "5", "06.02.2024", "3", "3", "3", "x", "", "", "", "", ""],
    ["C3", "T2", "last", "01.05.2024", "2", "2", "2", "2", "", "", "", "", ""],
    # no client
    ["", "T1", "5", "", "1", "1", "1", "1", "", "", "", "", ""],
    # a session that nobody declared
    ["C4", "T1", "banana", "", "2", "2", "2", "2", "", "", "", "", ""],
    # nothing answered
    ["C5", "T1", "5", "", "", "", "", "", "", "", "", "", ""],
    # a record that ends early
    ["C6", "T1", "5", "", "5", "1"],
    # two therapists, and a record that names neither
    ["C7", "T1", "5", "", "4", "4", "4", "4", "", "", "", "", ""],
    ["C7", "T2", "last", "", "4", "4", "4", "4", "", "", "", "", ""],
    ["C7", "", "4", "", "4", "4", "4", "4", "", "", "", "", ""],
    # withdrew
    ["C8", "T1", "5", "", "5", "5", "5", "5", "", "", "", "", ""],
    # outside every window, with a decimal that is no step
    ["C9", "T1", "12", "", "4", "2.5", "4", "4", "", "", "", "", ""],
)
# the same form again: item 2 corrected, item 3 gone, the rest repeated
CORRECTED_WIDE = wide(["C1", "T1", "05", "05.02.2024", "5", "2", "", "2", "4", "2", "3", "3", ""])
# another file of the site has two of the items: one agrees, one does not
OTHER_FILE = Delivery(
    "wide", "other", ("Client", "Therapist", "Session", "K1", "K2"), [["C1", "T1", "5", "5", "4"]],
    [Block("mini", {"K1": 1, "K2": 2}, {"client": "Client", "therapist": "Therapist", "session": "Session"}, "client")],
)  # fmt: skip

# one answer per record, labels, keys already turned at the source, no therapist at all
LONG = Delivery(
    "long", "answers", ("Case", "Time", "Question", "Answer"),
    [
        ["C1", "End", "Q1", "often"],
        ["C1", "End", "Q2", "always"],
        ["C1", "End", "Q3", "maybe"],
        ["C1", "End", "Q4", "2"],
        ["C1", "End", "Q9", "often"],
        ["C1", "3", "Q1", "never"],
        ["C1", "3", "Q1", "Never "],
        ["C1", "3", "Q2", "rarely"],
        ["C1", "3", "Q2", "often"],
        ["C1", "3", "Q3", ""],
    ],
    [
        Block(
            "mini", {"Q1": 1, "Q2": 2, "Q3": 3, "Q4": 4},
            {"client": "Case", "session": "Time", "item_code": "Question", "value": "Answer"}, "client",
            orientation="already_reversed", labels=FREQUENCIES, maps={"session": {"End": "last"}},
        )
    ],
)  # fmt: skip

FIRST_FULL = full(["C1", "T1", "5", "1", "2", "3", "4"], ["C2", "T1", "5", "2", "2", "2", "2"])
SECOND_FULL = full(["C1", "T1", "5", "1", "2", "3", "5"])


def _mood(phase: str) -> Block:
    keys = {"client": "id", "therapist": "th", "filter": "event"}
    bound: dict[str, int | str] = {"m1": 1, "m2": 2, "m3": 3, "sum": "total"}
    return Block("mood", bound, keys, "client", phase=phase, filter_values=[phase])


MOOD = Delivery(
    "mood", "outcome", ("id", "th", "event", "m1", "m2", "m3", "sum", "said"),
    [
        ["C1", "T1", "pre", "4", "3", "4", "", None],
        # too few items for a score of our own, but the file gives one
        ["C1", "T1", "post", "1", "", "", "5", None],
        # a score and no items
        ["C2", "T1", "pre", "", "", "", "9", None],
        # a row that no form wants
        ["C2", "T1", "diary", "1", "1", "1", "1", None],
        # items decide, the file's score cannot be right
        ["C3", "T1", "post", "2", "2", "2", "99", None, "beyond the header"],
    ],
    [_mood("pre"), _mood("post")], free_text=["said"],
)  # fmt: skip
