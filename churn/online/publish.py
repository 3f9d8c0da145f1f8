"""From a version of the feature table to the file that servers answer customers from."""

import fcntl
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from churn.features.catalogue import TABLE, Feature
from churn.features.feature_set import FeatureSet
from churn.features.tables import CUSTOMER
from churn.frozen import Frozen
from churn.lake.snapshot import DataSnapshot
from churn.log import get_logger
from churn.online.layout import (
    SUFFIX,
    TOKEN_PREFIX,
    WIDTHS,
    Header,
    Snapshot,
    SnapshotInvalid,
    TextColumn,
    open_snapshot,
    packed_tokens,
    write_snapshot,
)
from churn.online.pointer import read_pointer, synced, write_pointer

log = get_logger(__name__)

_KEPT = 2
"""Files that stay: the present one, and the one before it, which a server may be about to open."""


class PublishedCustomers(Frozen):
    """The snapshot that servers answer from now: somebody else's where that knows customers at a later time.

    Attributes:
        path: of the file.
        digest: of the file; names it in answers.
        version: of the feature table.
        changed: whether servers have to open another file than before.
    """

    path: Path
    digest: str
    version: int
    features_digest: str
    cutoff: date
    customers: int
    features: int
    size: int
    changed: bool


def publish_customers(features: FeatureSet, catalogue: Sequence[Feature], folder: Path) -> PublishedCustomers:
    """Write the customers of the newest cutoff, and point servers to the file once it is whole.

    Whoever began earlier and ends later changes nothing: a snapshot of a later cutoff, or of a later version of the
    table at the same cutoff, stays. To go back to an older one, remove the folder first.

    Args:
        features: what was built.
        catalogue: the features of the table, with their kinds.
        folder: where servers look; only files of snapshots lie in it.

    Raises:
        SnapshotInvalid: the table holds something that no server could answer from; what is there stays.
        SnapshotError: the version of the feature table is gone, or was changed.
    """
    cutoff = features.cutoffs.latest
    table = DataSnapshot(tables={TABLE: features.features}).open(TABLE)
    narrow = [
        pl.col(one.name).cast(pl.Float32) if one.kind == "numeric" else pl.col(one.name).cast(pl.Categorical)
        for one in catalogue
    ]
    columns = [CUSTOMER, *(one.name for one in catalogue)]
    rows = table.scan(columns, dates={cutoff}).select(CUSTOMER, *narrow).collect().sort(CUSTOMER)
    made = publish_rows(rows, catalogue, folder, version=features.features.version, digest=features.digest, day=cutoff)
    log.info("customers_published", version=made.version, customers=made.customers, changed=made.changed)
    return made


def publish_rows(
    rows: pl.DataFrame, catalogue: Sequence[Feature], folder: Path, *, version: int, digest: str, day: date
) -> PublishedCustomers:
    """Publish rows that are sorted by their customers; see `publish_customers`."""
    tokens = _tokens(rows[CUSTOMER])
    names = tuple(one.name for one in catalogue if one.kind == "numeric")
    numbers = _numbers(rows, names)
    coded = [_coded(rows[one.name]) for one in catalogue if one.kind == "categorical"]
    header = Header(
        version=version,
        features_digest=digest,
        cutoff=datetime.combine(day, time(), UTC),
        rows=rows.height,
        numbers=names,
        texts=tuple(text for text, _ in coded),
    )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".publish.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        newer = _newer(folder, header)
        if newer is not None:
            present = newer.header.cutoff.date()
            log.warning("customers_overtaken", version=version, cutoff=day, newer=newer.header.version, at=present)
            return _published(folder / f"{newer.digest}{SUFFIX}", newer.digest, newer.header, changed=False)
        path, name, changed = _put(folder, header, tokens, numbers, [codes for _, codes in coded])
        return _published(path, name, header, changed=changed)


def _published(path: Path, digest: str, header: Header, *, changed: bool) -> PublishedCustomers:
    return PublishedCustomers(
        path=path,
        digest=digest,
        version=header.version,
        features_digest=header.features_digest,
        cutoff=header.cutoff.date(),
        customers=header.rows,
        features=len(header.numbers) + len(header.texts),
        size=path.stat().st_size,
        changed=changed,
    )


def _newer(folder: Path, header: Header) -> Snapshot | None:
    """Return what is published, if that is sound and newer."""
    present = _present(folder)
    if present is None:
        return None
    try:
        found = open_snapshot(*present)
    except SnapshotInvalid:
        return None
    return found if (found.header.cutoff, found.header.version) > (header.cutoff, header.version) else None


def _put(
    folder: Path,
    header: Header,
    tokens: NDArray[np.bytes_],
    numbers: NDArray[np.float32],
    codes: Sequence[NDArray[np.unsignedinteger[Any]]],
) -> tuple[Path, str, bool]:
    before = _present(folder)
    handle, name = tempfile.mkstemp(prefix=".", suffix=SUFFIX, dir=folder)
    os.close(handle)
    draft = Path(name)
    try:
        digest = write_snapshot(draft, header, tokens, numbers, codes)
        path = folder / f"{digest}{SUFFIX}"
        draft.chmod(0o444)
        synced(draft)
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    if before != (path, digest):
        write_pointer(path, digest)
    _sweep(folder)
    return path, digest, before != (path, digest)


def _present(folder: Path) -> tuple[Path, str] | None:
    with suppress(SnapshotInvalid):
        return read_pointer(folder)
    return None


def _sweep(folder: Path) -> None:
    """Remove what no pointer will name again; who has a file mapped keeps its contents."""
    files = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    whole = [path for path in files if not path.name.startswith(".")]
    for path in {*files} - {*whole[:_KEPT]}:
        path.unlink(missing_ok=True)


def _tokens(customers: pl.Series) -> NDArray[np.bytes_]:
    formed = customers.str.contains(rf"^{TOKEN_PREFIX}[0-9a-f]{{32}}$").fill_null(value=False)
    if not formed.all():
        raise SnapshotInvalid(
            f"{TABLE}: {(~formed).sum()} rows have a {CUSTOMER} that is no token; build the features from an ingested "
            "lake"
        )
    if customers.n_unique() < len(customers):
        raise SnapshotInvalid(f"{TABLE}: repeats customers at one cutoff; build the features again")
    return packed_tokens(customers.to_list())


def _numbers(rows: pl.DataFrame, names: Sequence[str]) -> NDArray[np.float32]:
    numbers = np.empty((rows.height, len(names)), dtype=np.float32)
    for at, name in enumerate(names):
        column = rows[name].cast(pl.Float32)
        if column.is_infinite().any():
            raise SnapshotInvalid(f"{TABLE}: {name} holds values that no 32-bit float holds; mend its SQL")
        numbers[:, at] = column.fill_null(float("nan")).to_numpy()
    return numbers


def _coded(column: pl.Series) -> tuple[TextColumn, NDArray[np.unsignedinteger[Any]]]:
    """Return a category's dictionary and codes; the dictionary is sorted, so that equal rows make equal files."""
    texts = column.cast(pl.String)
    values = texts.drop_nulls().unique().sort()
    width = next(width for width, kind in WIDTHS.items() if len(values) <= np.iinfo(kind).max)
    known = pl.Series(range(1, len(values) + 1), dtype=pl.UInt32)
    codes = texts.replace_strict(values, known, default=0, return_dtype=pl.UInt32) if len(values) else None
    plain = np.zeros(len(texts), dtype=np.uint32) if codes is None else codes.to_numpy()
    return TextColumn(column.name, width, tuple(values.to_list())), plain.astype(WIDTHS[width])
