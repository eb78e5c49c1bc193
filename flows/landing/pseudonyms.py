"""Pseudonyms: what the warehouse shows in place of the sites' own ids.

A pseudonym is a keyed hash (HMAC-SHA256) of site, kind and local id: the same id gets the same pseudonym in every
refresh, two sites' equal ids get different ones, and without the key nobody can compute or test one. The key is made
once, by the first refresh, and never leaves its file.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
import unicodedata
from collections.abc import Collection, Iterable

import pyarrow as pa

from flows.common.errors import AllianceError, ExitCode
from flows.common.paths import StudyPaths
from flows.landing.store import LandingStore

PREFIXES = {"client": "cl_", "therapist": "th_", "episode": "ep_"}

# White space as the build sees it (dbt_project/macros/text.sql, clean_text): an id must be cleaned alike on both sides.
BLANKS = "".join(chr(number) for number in (9, 10, 11, 12, 13, 32, 133, 160, 8199, 8239, 12288, 65279))
_TRIM = (
    # As there: trimming a set of characters costs ten times as much as seeing that there is nothing to trim.
    "case when regexp_full_match({0}, '[!-~]([ -~]*[!-~])?') then {0} else nfc_normalize(trim({0}, "
    + " || ".join(f"chr({ord(letter)})" for letter in BLANKS)
    + ")) end"
)
_HEX_DIGITS = 16
_KEY_BYTES = 32


class KeyRefused(AllianceError):
    """The key file cannot be used."""

    default_exit_code = ExitCode.WRONG_USE


def load_or_make_key(paths: StudyPaths, store: LandingStore) -> bytes:
    """The study's key; made when there is none (32 random bytes as hex; file 0600 in a folder 0700).

    Raises
    ------
    KeyRefused
        The file is no key, is another than the pseudonyms so far were made with, or others than its owner may read it.
        A lost or damaged key must come back from a backup: a new one would give every person another pseudonym.
    """
    path = paths.pseudonym_key_file
    paths.keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists() and store.con.execute("select 1 from raw.pseudonyms limit 1").fetchone() is not None:
        raise KeyRefused(
            "the key of the pseudonyms is gone",
            cause="keys/pseudonym.key is missing, but pseudonyms were made with it",
            next_step="bring keys/pseudonym.key back from your backup; without it persons cannot be recognised again",
        )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = _load_key(paths)
        _hold_against_made(key, store)
        return key
    with os.fdopen(descriptor, "w") as handle:
        handle.write(secrets.token_hex(_KEY_BYTES) + "\n")
        handle.flush()
        # Pseudonyms made with a key that a power cut then took away could never be made again.
        os.fsync(handle.fileno())
    return _load_key(paths)


def _load_key(paths: StudyPaths) -> bytes:
    path = paths.pseudonym_key_file
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise KeyRefused(
            "the key of the pseudonyms cannot be used",
            cause="keys/pseudonym.key is no regular file",
            next_step="put the key file itself there",
        )
    for place, mode, wanted in ((path, status.st_mode, "600"), (paths.keys_dir, paths.keys_dir.stat().st_mode, "700")):
        if stat.S_IMODE(mode) & 0o077:
            name = paths.relative(place)
            raise KeyRefused(
                "the key of the pseudonyms is not private",
                cause=f"others may read {name} (mode {stat.S_IMODE(mode):o})",
                next_step=f"run `chmod {wanted} {name}` in the study's folder, and ask who may have read it",
            )
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (ValueError, UnicodeError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise KeyRefused(
            "the key of the pseudonyms cannot be used",
            cause=f"keys/pseudonym.key does not hold {2 * _KEY_BYTES} hexadecimal digits",
            next_step="bring it back from your backup; a new key would give every person another pseudonym",
        )
    return key


def _hold_against_made(key: bytes, store: LandingStore) -> None:
    # With another key a person would get a second pseudonym, and who withdrew would not be recognised and come back.
    made = store.con.execute("select site_id, kind, local_id, pseudonym from raw.pseudonyms limit 1").fetchone()
    if made is not None and pseudonym(key, *made[:3]) != made[3]:
        raise KeyRefused(
            "the key of the pseudonyms is another one",
            cause="keys/pseudonym.key is not the key that this study's pseudonyms were made with",
            next_step="bring it back from the backup of this study",
        )


def pseudonym(key: bytes, site_id: str, kind: str, local_id: str) -> str:
    """The pseudonym of one local id.

    ``kind`` is ``client``, ``therapist`` or ``episode``; ``local_id`` is trimmed here. Site and kind hold no
    separator, so two different triples never give the same text.
    """
    cleaned = unicodedata.normalize("NFC", local_id.strip(BLANKS))
    text = f"{site_id}\x1f{kind}\x1f{cleaned}".encode("utf-8", "surrogatepass")
    return PREFIXES[kind] + hmac.digest(key, text, "sha256").hex()[:_HEX_DIGITS]


def pseudonyms_of(key: bytes, site_ids: Iterable[str], kinds: Iterable[str], local_ids: Iterable[str]) -> list[str]:
    """`pseudonym` of many ids at once."""
    return [
        pseudonym(key, site_id, kind, local_id)
        for site_id, kind, local_id in zip(site_ids, kinds, local_ids, strict=True)
    ]


# The columns of a delivery that hold ids, once each. An episode's map may turn the cell into another text.
_NEW_IDS = f"""
    with sources as (
        select distinct site_id, delivery_number, kind, column_number
        from (
            select site_id, delivery_number, 'client' as kind, client_column as column_number from raw.layout_blocks
            union all
            select site_id, delivery_number, 'therapist', therapist_column from raw.layout_blocks
            union all
            select site_id, delivery_number, 'episode', episode_column from raw.layout_blocks
        )
        where column_number is not null
            and ($deliveries is null or list_contains(cast($deliveries as integer[]), delivery_number))
    ),
    columns as (
        select site_id, delivery_number, list(kind) as kinds, list(column_number) as numbers
        from sources
        group by all
    ),
    cells as (
        select distinct
            columns.site_id,
            unnest(columns.kinds) as kind,
            unnest(list_select(records.cells, columns.numbers)) as cell
        from raw.records as records
        inner join columns on records.delivery_number = columns.delivery_number
        where records.delivery_number in (select delivery_number from sources)
    ),
    ids as (
        select distinct site_id, kind, {_TRIM.format("cell")} as local_id from cells
        union
        select distinct blocks.site_id, 'episode', {_TRIM.format("maps.mapped")}
        from raw.layout_value_maps as maps
        inner join raw.layout_blocks as blocks on maps.block_id = blocks.block_id
        where maps.role = 'episode'
    )
    select site_id, kind, local_id
    from ids
    anti join raw.pseudonyms using (site_id, kind, local_id)
    where local_id <> ''
"""


def update_pseudonyms(store: LandingStore, key: bytes, delivery_numbers: Collection[int] | None = None) -> int:
    """Make the pseudonyms that are missing, and return how many were.

    Reads the id columns that ``raw.layout_blocks`` names, so the layout must have been written before.

    Parameters
    ----------
    delivery_numbers
        The deliveries to look at: those that are new, and all of sites whose settings changed. None is all.
    """
    numbers = None if delivery_numbers is None else sorted(delivery_numbers)
    found: pa.Table = store.con.execute(_NEW_IDS, {"deliveries": numbers}).to_arrow_table()
    if not found.num_rows:
        return 0
    columns = [found.column(name).to_pylist() for name in ("site_id", "kind", "local_id")]
    made = pa.array(pseudonyms_of(key, *columns), pa.string())
    store.insert("insert into raw.pseudonyms by name from incoming", found.append_column("pseudonym", made))
    return found.num_rows
