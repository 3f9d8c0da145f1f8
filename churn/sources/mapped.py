"""A company's own export, read through a mapping."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from churn.contracts import Contract, load_contract
from churn.landing.layout import Format
from churn.settings import Stream
from churn.sources.mapping import StreamMapping, load_mapping, streams_in_order
from churn.sources.source import UPLOADED, SourceError
from churn.sources.spool import in_upload_order
from churn.sources.tabular import UNREADABLE, chunks, column_names, format_of, unpack
from churn.sources.times import parse_times

_MOMENT = "__moment"
_GROUPED = r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$"


class Mapped:
    """CSV, JSONL or Parquet files in the company's own columns, in chunks of bounded size.

    Only mapped columns leave the files. Times become UTC; one that cannot be read stays as it is, for ingestion to
    judge, and is uploaded together with the row before it.

    Args:
        path: the mapping file.
    """

    def __init__(self, path: Path) -> None:
        self._mapping = load_mapping(path)
        self._path = path

    @property
    def name(self) -> str:
        """The name given in the mapping."""
        return self._mapping.name

    def streams(self) -> tuple[Stream, ...]:
        """Return the mapped streams."""
        return streams_in_order(self._mapping)

    def read(self, stream: Stream) -> Iterator[pl.DataFrame]:
        """Yield one frame per UTC upload day."""
        mapping = self._mapping.streams.get(stream)
        if mapping is None:
            return
        files = self._files(stream, mapping)
        with TemporaryDirectory(prefix="churn-mapped-") as scratch:
            days = Path(scratch) / "days"
            days.mkdir()
            yield from in_upload_order(self._uploads(stream, mapping, files, Path(scratch) / "plain"), days)

    def _files(self, stream: Stream, mapping: StreamMapping) -> list[Path]:
        pattern = Path(mapping.files)
        root = Path(pattern.anchor) if pattern.is_absolute() else self._path.parent
        files = sorted(file for file in root.glob(str(pattern.relative_to(pattern.anchor))) if file.is_file())
        if not files:
            raise SourceError(f"{self._path}: streams.{stream}.files: nothing matches {mapping.files} in {root}")
        return files

    def _uploads(
        self, stream: Stream, mapping: StreamMapping, files: list[Path], scratch: Path
    ) -> Iterator[pl.DataFrame]:
        contract = load_contract(stream)
        for file in files:
            format = mapping.format or format_of(file)
            if format is None:
                raise SourceError(f"{self._path}: streams.{stream}.format is missing; {file.name} does not tell it")
            try:
                plain = unpack(file, mapping.encoding, scratch)
                self._check_columns(stream, mapping, contract, format, file, plain)
                last: pl.Series | None = None
                for chunk in chunks(plain, format, mapping.delimiter, mapping.sources.values()):
                    upload = self._placed(stream, mapping, file, _upload(chunk, mapping, contract, format), last)
                    last = upload[UPLOADED].tail(1)
                    yield upload
            except UNREADABLE as error:
                raise SourceError(
                    f"{file}: not the {format} that streams.{stream} of {self._path} describes "
                    f"({type(error).__name__}); check format, delimiter and encoding"
                ) from None

    def _check_columns(
        self, stream: Stream, mapping: StreamMapping, contract: Contract, format: Format, file: Path, plain: Path
    ) -> None:
        """Find misspelt columns; JSONL records may leave out any that the contract can do without."""
        found = column_names(plain, format, mapping.delimiter)
        names = contract.source_names()
        for field, column in mapping.sources.items():
            optional = format == "jsonl" and names.get(field) not in contract.required
            if column not in found and not optional and found:
                key = "columns" if field in mapping.columns else "attributes"
                raise SourceError(
                    f"{self._path}: streams.{stream}.{key}.{field}: {file.name} has no column {column}; "
                    f"it has {', '.join(found)}"
                )
        strange = sorted(set(found) - set(mapping.sources.values()) - set(mapping.drop))
        if strange and mapping.unlisted == "refuse":
            raise SourceError(
                f"{self._path}: streams.{stream}: {file.name} has columns named nowhere in the mapping: "
                f"{', '.join(strange)}; map them, list them under drop, or set unlisted: drop"
            )

    def _placed(
        self, stream: Stream, mapping: StreamMapping, file: Path, upload: pl.DataFrame, last: pl.Series | None
    ) -> pl.DataFrame:
        """Add the upload time; a row without a readable time goes with the one before it."""
        moments = upload[_MOMENT] if last is None else pl.concat([last - mapping.delay, upload[_MOMENT]])
        moments = moments.forward_fill().backward_fill().tail(upload.height)
        if moments.null_count():
            raise SourceError(
                f"{self._path}: streams.{stream}.time.format: no time in {file.name} reads as {mapping.time.format}"
            )
        return upload.drop(_MOMENT).with_columns((moments + mapping.delay).alias(UPLOADED))


def _upload(chunk: pl.DataFrame, mapping: StreamMapping, contract: Contract, format: Format) -> pl.DataFrame:
    columns: list[pl.Expr] = []
    amounts = {field.name for field in contract.fields if field.type == "decimal"}
    amounts |= {name for name, kind in contract.attributes.items() if kind == "number"}
    for field, column in mapping.sources.items():
        value = pl.col(column)
        if field == contract.time:
            moment, text = parse_times(value, chunk.schema[column], mapping.time)
            columns += [moment.alias(_MOMENT), text.alias(field)]
            continue
        value = value.cast(pl.String)
        value = pl.when(value.is_in(list(mapping.nulls))).then(None).otherwise(value)
        if field in amounts and mapping.decimal == "," and format == "csv":
            value = _with_point(value)
        if field in mapping.values:
            value = value.replace(mapping.values[field])
        columns.append(value.alias(field))
    columns += [pl.lit(value).alias(field) for field, value in mapping.constants.items()]
    return chunk.select(columns)


def _with_point(value: pl.Expr) -> pl.Expr:
    """Rewrite `1.234,50` and `12,5` with a decimal point; anything else is left for ingestion to judge."""
    grouped = value.str.contains(_GROUPED)
    plain = pl.when(grouped).then(value.str.replace_all(".", "", literal=True)).otherwise(value)
    pointed = plain.str.contains(".", literal=True)
    return pl.when(pointed).then(plain).otherwise(plain.str.replace(",", ".", literal=True))
