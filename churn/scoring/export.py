"""The list of whom to contact, for people and for tools: CSV and Parquet, tokens and no personal data."""

import io
import os
from datetime import date

import fsspec
import polars as pl

from churn.features.tables import CUSTOMER
from churn.frozen import Frozen
from churn.lake.files import local_or_url
from churn.scoring.settings import REASONS
from churn.scoring.table import DATE

COLUMNS = ("rank", CUSTOMER, "score", "expected_profit", "topic", *REASONS)
_FORMULA = r"^[\s\x00-\x20]*[=+\-@|%\t\r]"
"""What a spreadsheet may take for a formula, blanks before it included."""


class ContactList(Frozen):
    """Where the list is."""

    csv: str
    parquet: str
    customers: int


def export_contacts(scored: pl.DataFrame, place: str, day: date, version: str) -> ContactList:
    """Write the customers that are to be contacted, the most profitable first; a list of the same name is replaced.

    Args:
        scored: ranked scores of one date and version.
        place: folder or URL.
        day: the scoring date.
        version: of the model.

    Raises:
        OSError: the place cannot be written to.
    """
    contacts = scored.filter("contacted").sort("rank").select(COLUMNS)
    contacts = contacts.with_columns(pl.lit(day).alias(DATE), model_version=pl.lit(version))
    name = f"{local_or_url(place)}/contacts-{day}-version-{version}"
    parquet = io.BytesIO()
    contacts.write_parquet(parquet, compression="zstd")
    csv = contacts.with_columns(harmless(column) for column in (CUSTOMER, "topic", *REASONS))
    _put(f"{name}.parquet", parquet.getvalue())
    _put(f"{name}.csv", csv.write_csv(float_precision=9).encode())
    return ContactList(csv=f"{name}.csv", parquet=f"{name}.parquet", customers=contacts.height)


def harmless(column: str) -> pl.Expr:
    """Return a text column that no spreadsheet runs: what looks like a formula gets an apostrophe before it."""
    text = pl.col(column)
    return pl.when(text.str.contains(_FORMULA)).then(pl.concat_str(pl.lit("'"), text)).otherwise(text).alias(column)


def _put(url: str, content: bytes) -> None:
    """Write whole or not at all: an object store does so, on a disk the name comes last."""
    fs, path = fsspec.core.url_to_fs(url)
    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
    if "file" not in fs.protocol:
        fs.pipe_file(path, content)
        return
    draft = f"{path}.{os.getpid()}.tmp"
    try:
        with open(draft, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        if os.path.exists(draft):
            os.unlink(draft)
        raise
