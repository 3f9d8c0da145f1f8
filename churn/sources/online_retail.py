"""Online Retail: 541,909 invoice lines of a British gift shop, December 2010 to December 2011 (D. Chen, UCI, 2015)."""

import tarfile
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import polars as pl

from churn.settings import Stream
from churn.sources.source import UPLOADED, SourceError, to_text, to_utc

TIMEZONE = "Europe/London"
_RAW = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")


class OnlineRetail:
    """Daily CSV files in a tar archive.

    Invoice times are British local times without a zone; they are uploaded with their offset, in the hour in which
    they happened. Lines of an invoice that starts with C are returns; lines of one that starts with A, and negative
    quantities on an ordinary invoice, are adjustments of the books and the stock; the rest are purchases. Customers
    stay as the export writes them (`13995.0`, or none). `Description` is free text and only a digest of it is uploaded
    (`wording`): two pairs of lines differ in nothing else.

    Args:
        path: the archive `by-day.tar.gz`.
    """

    name = "online_retail"

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise SourceError(f"{path}: no such archive; set CHURN_DATA to the data folder or pass its path")
        self._path = path

    def streams(self) -> tuple[Stream, ...]:
        """Return the only stream."""
        return ("activity",)

    def read(self, stream: Stream) -> Iterator[pl.DataFrame]:
        """Yield one frame a day."""
        if stream != "activity":
            return
        try:
            for _, content in sorted(self._days()):
                yield _upload(pl.read_csv(content, columns=list(_RAW), infer_schema=False))
        except (tarfile.TarError, EOFError, OSError, pl.exceptions.PolarsError) as error:
            fault = type(error).__name__
            raise SourceError(f"{self._path}: cannot be read ({fault}); fetch the archive again") from None

    def _days(self) -> list[tuple[str, bytes]]:
        """Unpack in the archive's own order: going back in a gzip stream starts it again. 47 MB in all."""
        with tarfile.open(self._path) as archive:
            opened = ((Path(member.name).name, archive.extractfile(member)) for member in archive)
            return [(name, file.read()) for name, file in opened if file is not None and name.endswith(".csv")]


def _upload(raw: pl.DataFrame) -> pl.DataFrame:
    invoice, quantity = pl.col("InvoiceNo"), pl.col("Quantity").cast(pl.Int64)
    happened = to_utc(pl.col("InvoiceDate").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us"), TIMEZONE)
    amount = quantity * pl.col("UnitPrice").cast(pl.Decimal(18, 4))
    correction = invoice.str.starts_with("A") | (quantity < 0)
    return raw.select(
        pl.col("CustomerID").alias("customer_id"),
        to_text(happened, TIMEZONE).alias("event_time"),
        pl.when(invoice.str.starts_with("C"))
        .then(pl.lit("return"))
        .when(correction)
        .then(pl.lit("adjustment"))
        .otherwise(pl.lit("purchase"))
        .alias("event_type"),
        amount.cast(pl.Decimal(18, 4)).cast(pl.String).alias("amount"),
        pl.col("Quantity").alias("quantity"),
        pl.lit("GBP").alias("currency"),
        pl.col("StockCode").alias("item_id"),
        invoice.alias("session_id"),
        pl.col("Country").alias("country"),
        _digest(raw["Description"]).alias("wording"),
        happened.alias(UPLOADED),
    ).sort(UPLOADED, maintain_order=True)


def _digest(texts: pl.Series) -> pl.Series:
    """Give each text eight letters; digits would look like a phone number to the contract."""
    letters = str.maketrans("0123456789abcdef", "abcdefghijklmnop")
    known = {
        text: blake2b(text.encode(), digest_size=4).hexdigest().translate(letters)
        for text in texts.drop_nulls().unique()
    }
    return texts.replace_strict(known, return_dtype=pl.String)
