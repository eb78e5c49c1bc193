"""What the bytes of a text say before anybody parses them: counts, marks, and where decoding fails."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from flows.landing.reading import FileRefused, Limits

_CHUNK = 1 << 20


@dataclass
class TextScan:
    """Counts over the bytes of a file.

    ``comparable`` says whether lines and delimiters are rows and cells: no cell is quoted and no line ends with a
    carriage return alone.
    """

    size: int = 0
    n_newlines: int = 0
    n_delimiters: int = 0
    n_quotes: int = 0
    n_nul: int = 0
    n_returns: int = 0
    n_returns_before_newline: int = 0
    ends_with_newline: bool = False
    has_utf8_mark: bool = False
    is_utf8_beyond_ascii: bool = False

    @property
    def comparable(self) -> bool:
        """Whether the counts can be held against a parser's."""
        return self.n_quotes == 0 and self.n_returns == self.n_returns_before_newline and self.n_nul == 0


def scan(path: Path, delimiter: str, quote: str, limits: Limits, *, check_utf8: bool) -> TextScan:
    """Count the bytes of ``path`` in one pass.

    Parameters
    ----------
    check_utf8
        Whether to find out if a text declared otherwise is utf-8.

    Raises
    ------
    FileRefused
        More bytes without a line end than a record may have.
    """
    found = TextScan()
    comma, mark = delimiter.encode(), quote.encode()
    decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")() if check_utf8 else None
    beyond_ascii = False
    since_newline = 0
    previous = b""
    with path.open("rb") as raw:
        while chunk := raw.read(_CHUNK):
            if not found.size:
                found.has_utf8_mark = chunk.startswith(codecs.BOM_UTF8)
            found.size += len(chunk)
            found.n_newlines += chunk.count(b"\n")
            found.n_delimiters += chunk.count(comma)
            found.n_quotes += chunk.count(mark)
            found.n_nul += chunk.count(b"\0")
            if b"\r" in chunk or previous == b"\r":
                found.n_returns += chunk.count(b"\r")
                across = previous == b"\r" and chunk.startswith(b"\n")
                found.n_returns_before_newline += chunk.count(b"\r\n") + across
            last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            since_newline = len(chunk) - last - 1 if last >= 0 else since_newline + len(chunk)
            if since_newline > limits.max_record_bytes:
                raise FileRefused(
                    "record_too_long",
                    f"After line {found.n_newlines} the file goes on for more than {limits.max_record_bytes} bytes "
                    "without a line end.",
                    "Check that it is the file that was meant, and its encoding.",
                )
            if decoder is not None and not chunk.isascii():
                beyond_ascii = True
            decoder = _feed(decoder, chunk)
            previous = chunk[-1:]
    found.ends_with_newline = previous in (b"\n", b"\r")
    found.is_utf8_beyond_ascii = beyond_ascii and _feed(decoder, b"", final=True) is not None
    return found


def _feed(
    decoder: codecs.IncrementalDecoder | None, chunk: bytes, *, final: bool = False
) -> codecs.IncrementalDecoder | None:
    if decoder is None:
        return None
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return None
    return decoder


def locate_decode_error(path: Path, encoding: str) -> FileRefused:
    """Where a text stops being in ``encoding``, as the refusal that says so."""
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = line = 0
    pending = 0
    hint = ""
    with path.open("rb") as raw:
        if raw.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            hint = " The file begins with the mark of utf-16."
        raw.seek(0)
        while True:
            chunk = raw.read(_CHUNK)
            try:
                text = decoder.decode(chunk, not chunk)
            except UnicodeDecodeError as error:
                offset += error.start - pending
                line += error.object[: error.start].decode(encoding, "ignore").count("\n")
                break
            except UnicodeError:
                # utf-16 without its mark names no place.
                break
            if not chunk:
                break
            line += text.count("\n")
            offset += len(chunk)
            pending = len(decoder.getstate()[0])
    return FileRefused(
        "wrong_encoding",
        f"The file is not text in {encoding}: byte {offset + 1}, in line {line + 1}, cannot be read.{hint}",
        "Correct `encoding` in the site's settings (utf-8, latin-1 and cp1252 are the usual ones).",
    )
