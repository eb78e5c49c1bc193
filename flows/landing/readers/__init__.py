"""The readers, one for each format. A new format is one module here and one line in `READERS`."""

from __future__ import annotations

from flows.landing.readers.delimited import CsvReader
from flows.landing.readers.excel import ExcelReader
from flows.landing.readers.parquet import ParquetReader
from flows.landing.readers.qualtrics import QualtricsReader
from flows.landing.readers.redcap import RedcapReader
from flows.landing.readers.spss import SpssReader
from flows.landing.readers.stata import StataReader
from flows.landing.reading import Reader

READERS: dict[str, Reader] = {
    "csv": CsvReader(),
    "excel": ExcelReader(),
    "spss": SpssReader(),
    "stata": StataReader(),
    "parquet": ParquetReader(),
    "redcap": RedcapReader(),
    "qualtrics": QualtricsReader(),
}


def reader_of(file_format: str) -> Reader:
    """The reader of a format. Raises KeyError for one that does not exist; the settings' schema allows no such."""
    return READERS[file_format]
