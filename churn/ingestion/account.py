"""The account of a batch: for each object, where every row it held went."""

from collections.abc import Mapping

import polars as pl

from churn.errors import AccountingError
from churn.ingestion.deduplicate import Deduplicated
from churn.ingestion.pieces import Piece
from churn.ingestion.report import Counts, ObjectReport
from churn.landing.decoded import LINE
from churn.validation.validate import OBJECT


def account(
    pieces: Mapping[int, Piece], cut: Deduplicated, rejects: pl.DataFrame, repairs: pl.DataFrame
) -> tuple[ObjectReport, ...]:
    """Report on each object and check that its rows add up.

    Args:
        pieces: the objects of the batch by their ordinal.
        cut: their rows, cut in fresh, duplicate and conflicting ones.
        rejects: every refused row, conflicts included.
        repairs: rows mended, by object and kind.

    Raises:
        AccountingError: rows of an object were lost or counted twice.
    """
    appended = _rows_by_object(cut.fresh)
    duplicate = _rows_by_object(cut.duplicates)
    reasons = _reasons_by_object(rejects)
    mended: dict[int, dict[str, int]] = {}
    for i, kind, rows in repairs.group_by(OBJECT, "kind").agg(pl.col("rows").sum()).sort("kind").iter_rows():
        mended.setdefault(i, {})[kind] = rows
    reports = tuple(
        ObjectReport(
            object_id=piece.object_id,
            source_file=piece.source_file,
            etag=piece.landed.etag,
            landing_hour=piece.landed.hour,
            available_at=piece.available_at,
            status=piece.status,
            bytes=piece.landed.size,
            counts=Counts(
                read=piece.records,
                appended=appended.get(i, 0),
                duplicate=duplicate.get(i, 0),
                quarantined=sum(reasons.get(i, {}).values()),
            ),
            repairs=mended.get(i, {}),
            reasons=reasons.get(i, {}),
        )
        for i, piece in pieces.items()
    )
    for report in reports:
        report.counts.check(report.source_file)
    _check_lines(pieces, cut, rejects)
    return reports


def worst_reasons(rejects: pl.DataFrame, most: int = 5) -> str:
    """Name the most frequent quarantine reasons with their rows."""
    counted = _counted(rejects, []).head(most)
    return ", ".join(f"{reason} {rows}" for reason, rows in counted.iter_rows())


def _check_lines(pieces: Mapping[int, Piece], cut: Deduplicated, rejects: pl.DataFrame) -> None:
    """Refuse a line that is quarantined twice or also went elsewhere: the counts add up, but another line is lost."""
    if rejects.is_empty():
        return
    refused, taken = rejects.select(OBJECT, pl.col("line").alias(LINE)), (cut.fresh, cut.duplicates)
    # A join takes hundred times as many rows for its table; the few with such a line number are found without one.
    numbers = refused[LINE].implode()
    others = pl.concat([part.select(OBJECT, LINE).filter(pl.col(LINE).is_in(numbers)) for part in taken])
    wrong = pl.concat([refused.filter(refused.is_duplicated()), refused.join(others, on=[OBJECT, LINE], how="semi")])
    for i, line in wrong.head(1).iter_rows():
        where = "as a whole" if line is None else f"with line {line}"
        raise AccountingError(
            f"{pieces[i].source_file}: is quarantined {where} and a second time, or taken as well; nothing was "
            "committed, please report this"
        )


def _rows_by_object(frame: pl.DataFrame) -> dict[int, int]:
    return dict(frame[OBJECT].value_counts().iter_rows())


def _reasons_by_object(rejects: pl.DataFrame) -> dict[int, dict[str, int]]:
    reasons: dict[int, dict[str, int]] = {}
    for i, reason, rows in _counted(rejects, [OBJECT]).iter_rows():
        reasons.setdefault(i, {})[reason] = rows
    return reasons


def _counted(rejects: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    reason = pl.concat_str("reason", "column", separator=":", ignore_nulls=True).alias("reason")
    return rejects.group_by(*by, reason).agg(pl.col("rows").sum()).sort("rows", "reason", descending=[True, False])
