"""Models of ``sites/<site>.yml``: which files a site delivers and what their columns are.

What one key alone can get wrong is checked here; what needs the codebook, study.yml or several keys of a file at
once is checked in `flows.settings.site_checks`.
"""

from __future__ import annotations

import codecs
import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StringConstraints, Tag, model_validator

from flows.settings.settings_types import (
    MOST,
    ColumnName,
    DateFormat,
    DateInName,
    FilePattern,
    ItemPattern,
    Phase,
    Rater,
    Settings,
    Slug,
    Text,
    parse_date_in_name,
    problem,
    text_as,
)

FileFormat = Literal["csv", "excel", "spss", "stata", "parquet", "redcap", "qualtrics"]
Orientation = Literal["as_administered", "already_reversed"]
DecimalMark = Literal[".", ","]


def _encoding(name: str) -> str:
    try:
        # Some codecs turn bytes into bytes; those do not encode text.
        "".encode(codecs.lookup(name).name)
    except LookupError:
        raise problem(f"{name!r} is not an encoding", "write utf-8, latin-1, cp1252 or another name") from None
    return name


def _delimiter(value: Any) -> Any:
    # YAML reads "\t" as a tab in double quotes only; unquoted it is a backslash and a t.
    return "\t" if value in ("\\t", "tab") else value


def _separates(delimiter: str) -> str:
    if delimiter.isalnum() or delimiter in "\r\n\0":
        raise problem(f"{delimiter!r} cannot separate cells", 'write the delimiter: "," ";" "|" or "\\t" (tab)')
    return delimiter


Encoding = Annotated[str, AfterValidator(_encoding)]
_OneCharacter = Annotated[str, StringConstraints(strip_whitespace=False, min_length=1, max_length=1)]
Delimiter = Annotated[
    _OneCharacter, BeforeValidator(_delimiter, json_schema_input_type=str), AfterValidator(_separates)
]
HeaderRow = Annotated[int, Field(ge=1)]


class CsvOptions(Settings):
    """How a CSV or TSV file is written. Nothing of it is guessed."""

    encoding: Encoding = Field(
        default="utf-8", description="utf-8 (with or without byte-order mark), latin-1, cp1252 ..."
    )
    delimiter: Delimiter = Field(default=",", description='"," ";" "|" or "\\t" (tab)')
    quote: _OneCharacter = Field(default='"', description="The character around cells that hold the delimiter")
    decimal: DecimalMark = Field(default=".", description="The decimal mark of its numbers")
    header_row: HeaderRow = Field(default=1, description="The row that holds the columns' names, counted from 1")

    @model_validator(mode="after")
    def _two_signs(self) -> CsvOptions:
        if self.quote == self.delimiter:
            raise problem("`quote` and `delimiter` are the same sign", "write both as the file has them")
        return self


class ExcelOptions(Settings):
    """Where in a workbook the table stands."""

    sheet: Text | None = Field(default=None, description="The sheet's name; the first sheet when left out")
    header_row: HeaderRow = Field(default=1, description="The row that holds the columns' names, counted from 1")


class RedcapOptions(Settings):
    """A REDCap raw export and its data dictionary."""

    dictionary: FilePattern | None = Field(
        default=None, description="The data dictionary, below the site's folder of deliveries"
    )
    delimiter: Delimiter = Field(default=",", description="The delimiter of the export")
    encoding: Encoding = Field(default="utf-8", description="The encoding of the export")


class QualtricsOptions(Settings):
    """A Qualtrics CSV export with its three header rows."""

    columns_by: Literal["import_id", "name"] = Field(
        default="import_id", description="Columns are known by ImportId (stable) or by the first header row"
    )
    delimiter: Delimiter = Field(default=",", description="The delimiter of the export")
    encoding: Encoding = Field(default="utf-8", description="The encoding of the export")


class ColumnSource(Settings):
    """A column that holds an id."""

    column: ColumnName = Field(description="The column's name in the header")


class EpisodeSource(Settings):
    """A column that says which episode of therapy a record belongs to."""

    column: ColumnName = Field(description="The column's name in the header")
    map: dict[Text, Text] = Field(default={}, description="The cell's text -> the episode; without it the text itself")


class SessionSource(Settings):
    """Which session a record belongs to: a column, perhaps with a value map, or one value for all records."""

    column: ColumnName | None = Field(default=None, description="The column's name in the header")
    map: dict[Text, Text] = Field(
        default={}, description="The cell's text -> a session's number or a session of study.yml"
    )
    value: Text | None = Field(default=None, description="One session for all records")

    @model_validator(mode="after")
    def _one_source(self) -> SessionSource:
        if (self.column is None) == (self.value is None):
            raise problem("say where the session comes from", "give either `column` or `value`")
        if self.map and self.column is None:
            raise problem("a session with a `value` has no use for a `map`", "leave the map out, or name a `column`")
        return self


class RaterSource(Settings):
    """Who answered: one rater for all records, or a column with a value map."""

    value: Rater | None = Field(default=None, description="The rater of all records")
    column: ColumnName | None = Field(default=None, description="The column's name in the header")
    map: dict[Text, Rater] = Field(
        default={}, description="The cell's text -> client or therapist; without it the cells say client or therapist"
    )

    @model_validator(mode="after")
    def _one_source(self) -> RaterSource:
        if (self.column is None) == (self.value is None):
            raise problem(
                "say where the rater comes from", "write client, therapist, or name a `column` with its `map`"
            )
        if self.map and self.column is None:
            raise problem("a fixed rater has no use for a `map`", "leave the map out, or name a `column`")
        return self

    @property
    def raters(self) -> tuple[Rater, ...]:
        """Every rater this may yield."""
        if self.value is not None:
            return (self.value,)
        named = set(self.map.values()) or {"client", "therapist"}
        return ("client", "therapist") if len(named) == 2 else ("client",) if "client" in named else ("therapist",)


class DateSource(Settings):
    """The column with the date a form was completed, and how it is written."""

    column: ColumnName = Field(description="The column's name in the header")
    format: DateFormat = Field(
        default="iso", description='iso (2024-05-31), excel_serial, excel_serial_1904, or a format such as "%d.%m.%Y"'
    )


class RowFilter(Settings):
    """The records that hold this form: those whose cell in ``column`` is one of ``values``."""

    column: ColumnName = Field(description="The column's name in the header")
    values: tuple[Text, ...] = Field(min_length=1, description="The cells' texts, exactly as written in the file")


Client = Annotated[ColumnSource, BeforeValidator(text_as("column"), json_schema_input_type=ColumnSource | str)]
Therapist = Client
Episode = Annotated[EpisodeSource, BeforeValidator(text_as("column"), json_schema_input_type=EpisodeSource | str)]
Session = Annotated[SessionSource, BeforeValidator(text_as("column"), json_schema_input_type=SessionSource | str)]
RaterFrom = Annotated[RaterSource, BeforeValidator(text_as("value"), json_schema_input_type=RaterSource | Rater)]
Date = Annotated[DateSource, BeforeValidator(text_as("column"), json_schema_input_type=DateSource | str)]


def _shape_of_items(value: Any) -> str | None:
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = ((str, "pattern"), ((list, tuple), "list"), (dict, "map"))
    return next((tag for kind, tag in kinds if isinstance(value, kind)), None)


ItemNumber = Annotated[int, Field(ge=1, le=255)]
Items = Annotated[
    Annotated[ItemPattern, Tag("pattern")]
    | Annotated[tuple[ColumnName | None, ...], Tag("list"), Field(min_length=1)]
    | Annotated[dict[ColumnName, ItemNumber], Tag("map"), Field(min_length=1)],
    Discriminator(
        _shape_of_items,
        custom_error_type="items_shape",
        custom_error_message="is not a pattern, a list of columns in item order, or a map of column to item number",
    ),
]


def _labels(value: Any) -> Any:
    if isinstance(value, str) and value != "from_file":
        raise problem(
            "labels are a map of label to number",
            'write {"never": 1, ...}, or from_file to use the value labels of the file',
        )
    return value


def _shape_of_labels(value: Any) -> str:
    return "word" if isinstance(value, str) else "map"


Labels = Annotated[
    Annotated[Literal["from_file"], Tag("word")] | Annotated[dict[Text, float], Tag("map"), Field(min_length=1)],
    Discriminator(_shape_of_labels),
    BeforeValidator(_labels, json_schema_input_type=Literal["from_file"] | dict[str, float]),
]


class FormSettings(Settings):
    """One instrument of one rater in a file: which columns hold it and how its answers are written."""

    instrument: Slug = Field(description="An instrument of the codebook")
    rater: RaterFrom = Field(description="client, therapist, or a column with its map")
    items: Items | None = Field(
        default=None,
        description='A pattern "WAI_{item}", a list of columns in item order, or a map of column to item number',
    )
    scores: dict[Slug, ColumnName] = Field(default={}, description="Scale -> column of a delivered score")
    phase: Phase = Field(default="therapy", description="pre, therapy, post or followup")
    only_rows: RowFilter | None = Field(default=None, description="The records that hold this form")
    client: Client | None = Field(default=None, description="Instead of the file's")
    therapist: Therapist | None = Field(default=None, description="Instead of the file's")
    episode: Episode | None = Field(default=None, description="Instead of the file's")
    session: Session | None = Field(
        default=None, description="Instead of the file's, which holds for forms of phase therapy only"
    )
    date: Date | None = Field(default=None, description="Instead of the file's")
    missing: dict[Text, Text] = Field(default={}, description="Code -> reason, beside the file's")
    labels: Labels | None = Field(default=None, description="Label -> number as written at the source, or from_file")
    labels_many_to_one: bool = Field(default=False, description="Several labels may stand for one number")
    case_sensitive: bool = Field(default=False, description="Labels differ by upper and lower case")
    shift: float = Field(default=0.0, description="Added to every answer: 1 where the source counts 0-6 for 1-7")
    orientation: Orientation = Field(
        default="as_administered",
        description="already_reversed where the source turned the answers to reverse-keyed items round",
    )


class Expected(Settings):
    """What a site is expected to deliver; the checks hold the site against it."""

    clients: Annotated[int, Field(ge=0, le=MOST)] | None = Field(default=None, description="Number of clients")
    by: dt.date | None = Field(default=None, description="The date by which they are expected (ISO)")
    every_days: Annotated[int, Field(ge=1, le=MOST)] | None = Field(
        default=None, description="A delivery at least this often"
    )
    max_clients_per_therapist: Annotated[int, Field(ge=1, le=MOST)] | None = Field(
        default=None, description="More clients of one therapist than this are doubtful"
    )


class FileSettings(Settings):
    """One kind of file a site delivers, perhaps again and again."""

    name: Slug = Field(description="Known by this name in the warehouse")
    pattern: FilePattern = Field(description="Glob below deliveries/<site>")
    format: FileFormat = Field(description="The reader")
    shape: Literal["wide", "long"] = Field(default="wide", description="long: one row for each answer")
    deliveries: Literal["additional", "full"] = Field(
        default="additional", description="full: each newer file of this pattern replaces the older ones whole"
    )
    date_in_name: DateInName | None = Field(
        default=None, description='Format of the file\'s name without its ending, such as "ratings_%Y-%m-%d"'
    )
    leave_out: tuple[FilePattern, ...] = Field(
        default=(), description="Deliveries taken back, by name or glob: nothing of them is mapped"
    )
    csv: CsvOptions | None = Field(default=None, description="For format csv")
    excel: ExcelOptions | None = Field(default=None, description="For format excel")
    redcap: RedcapOptions | None = Field(default=None, description="For format redcap")
    qualtrics: QualtricsOptions | None = Field(default=None, description="For format qualtrics")
    client: Client | None = Field(default=None, description="The column with the client's id")
    therapist: Therapist | None = Field(default=None, description="The column with the therapist's id")
    episode: Episode | None = Field(default=None, description="The column with the episode of therapy")
    session: Session | None = Field(default=None, description="Where the session of a therapy form comes from")
    date: Date | None = Field(default=None, description="The column with the date")
    item_code: ColumnName | None = Field(default=None, description="Long shape: the column with the item's code")
    value: ColumnName | None = Field(default=None, description="Long shape: the column with the answer")
    missing: dict[Text, Text] = Field(default={}, description="Code -> reason, for all forms of the file")
    free_text: tuple[ColumnName, ...] = Field(
        default=(), description="Columns whose contents are never loaded; * stands for any text"
    )
    ignore: tuple[ColumnName, ...] = Field(
        default=(), description="Columns known and not wanted; * stands for any text"
    )
    forms: tuple[FormSettings, ...] = Field(min_length=1, description="The forms its records hold")

    @property
    def csv_options(self) -> CsvOptions:
        """The CSV options, or their defaults."""
        return self.csv or CsvOptions()

    @property
    def excel_options(self) -> ExcelOptions:
        """The Excel options, or their defaults."""
        return self.excel or ExcelOptions()

    @property
    def redcap_options(self) -> RedcapOptions:
        """The REDCap options, or their defaults."""
        return self.redcap or RedcapOptions()

    @property
    def qualtrics_options(self) -> QualtricsOptions:
        """The Qualtrics options, or their defaults."""
        return self.qualtrics or QualtricsOptions()

    @property
    def decimal_mark(self) -> DecimalMark:
        """The decimal mark of numbers written as text."""
        return self.csv_options.decimal if self.format == "csv" else "."

    def date_of(self, file_name: str) -> dt.date | None:
        """The date in a file's name, or None where none is declared or the name does not follow ``date_in_name``."""
        if self.date_in_name is None:
            return None
        stem = file_name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        return parse_date_in_name(stem, self.date_in_name)


class SiteSettings(Settings):
    """One site: who it is, what is expected of it, and the files it delivers."""

    site: Slug = Field(description="The site's id; the file is named after it")
    name: Text = Field(description="The site's name as readers see it")
    expected: Expected = Field(default=Expected(), description="What the site is expected to deliver")
    files: tuple[FileSettings, ...] = Field(min_length=1, description="The kinds of file it delivers")
