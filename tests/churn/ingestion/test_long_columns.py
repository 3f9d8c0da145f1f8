"""Columns that are long enough for their few values to be told apart once: codes on the way, text in the lake."""

import io
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq  # type: ignore[import-untyped, unused-ignore]
from polars.testing import assert_frame_equal

from churn.contracts import load_contract
from churn.ingestion.report import Counts
from churn.lake.table import open_version
from churn.validation.codes import _LONG
from tests.world import START, World, world_in

ROWS = _LONG + 1_000
CONTRACT = load_contract("activity")


def export(first: int, rows: int = ROWS) -> pl.DataFrame:
    """Rows of a shop, of which some lack an id, a customer or a channel, come twice or contradict the one before."""
    number = pl.int_range(first, first + rows, eager=True, dtype=pl.Int64)
    event = number - (number % 50 == 1).cast(pl.Int64)
    return pl.DataFrame({"number": number, "event": event}).select(
        event_id=pl.when(pl.col("event") % 1_000 != 7).then(pl.format("e{}", "event")),
        customer_id=pl.when(pl.col("event") % 5_000 != 11).then(pl.format("c{}", pl.col("event") % 700)),
        event_time=(pl.lit(START) + pl.duration(seconds=pl.col("event") % 3_600)).dt.to_string("iso:strict"),
        event_type=pl.when(pl.col("event") % 9_000 == 13).then(pl.lit("refund")).otherwise(pl.lit("purchase")),
        currency=pl.when(pl.col("event") % 3 > 0).then(pl.lit("EUR")),
        channel=pl.when(pl.col("event") % 500 == 17).then(pl.lit(" store ")).otherwise(pl.lit("web")),
        item_id=pl.format("i{}", pl.col("event") % 5),
        amount=pl.when(pl.col("number") % 100 == 51).then(pl.lit("99")).otherwise(pl.lit("12.50")),
    )


def csv(frame: pl.DataFrame) -> bytes:
    return frame.write_csv().encode()


def typed(frame: pl.DataFrame) -> bytes:
    """Parquet whose items are whole numbers, so that it cannot share a frame with the CSV objects."""
    file = io.BytesIO()
    frame.with_columns(pl.col("item_id").str.strip_prefix("i").cast(pl.Int64)).write_parquet(file)
    return file.getvalue()


def content(world: World) -> pl.DataFrame:
    """What the lake holds but for what is drawn at random: tokens, and the ids that are made from them."""
    given = pl.when(pl.col("event_id").str.starts_with("e") & (pl.col("event_id").str.len_bytes() < 32))
    rows = world.rows().select(CONTRACT.columns).drop("customer_id").with_columns(given.then("event_id"))
    return rows.sort(pl.all())


def counts(world: World) -> Counts:
    report = world.ingest()
    return next(stream for stream in report.streams if stream.stream == "activity").counts


def test_a_large_batch_gives_what_its_rows_give_in_small_objects(tmp_path: Path) -> None:
    # given the same rows as one batch of long columns, with types that differ from object to object, and in small ones
    large, small = world_in(tmp_path / "large"), world_in(tmp_path / "small", batch_objects=1)
    large.upload(csv(export(0)), "a.csv")
    large.upload(typed(export(ROWS)), "b.parquet")
    for start in range(0, ROWS, 8_000):
        part = min(8_000, ROWS - start)
        small.upload(csv(export(start, part)), f"a-{start:06}.csv")
        small.upload(typed(export(ROWS + start, part)), f"b-{start:06}.parquet")

    # when both are ingested
    at_once, bit_by_bit = counts(large), counts(small)

    # then they end alike
    assert at_once == bit_by_bit
    assert at_once.read == 2 * ROWS == at_once.appended + at_once.duplicate + at_once.quarantined
    assert min(at_once.appended, at_once.duplicate, at_once.quarantined) > 0
    assert_frame_equal(content(large), content(small))
    assert large.rows()["customer_id"].n_unique() == small.rows()["customer_id"].n_unique()


def test_what_was_held_as_codes_is_text_to_every_reader(tmp_path: Path) -> None:
    # given a batch in which each channel, type and token comes again and again
    world = world_in(tmp_path)
    world.upload(csv(export(0)), "a.csv")
    world.ingest()

    # when its files are read without their table
    table = open_version(f"{world.lake}/activity")
    schemas = [pl.read_parquet_schema(path) for path in table.files()]
    by_arrow = [pq.read_schema(path).to_string(show_schema_metadata=False) for path in table.files()]

    # then every column has the type that the table has, and each code is written once: dictionaries, as ever
    wanted = {name: dtype for name, dtype in table.schema.items() if name != CONTRACT.partition}
    assert [dict(schema) for schema in schemas] == [wanted] * len(schemas)
    assert not any("dictionary" in schema for schema in by_arrow)
    group = pq.read_metadata(table.files()[0]).row_group(0)
    chunks = {group.column(at).path_in_schema: group.column(at) for at in range(group.num_columns)}
    assert chunks["customer_id"].has_dictionary_page
    assert chunks["channel"].has_dictionary_page


def test_a_file_names_no_value_that_only_refused_rows_or_other_days_have(tmp_path: Path) -> None:
    # given a batch of two days, each with a channel of its own; rows with a third one lack their customer
    rows = export(0).with_columns(
        event_time=pl.when(pl.int_range(pl.len()) % 2 == 0)
        .then(pl.lit("2026-02-28T10:00:00Z"))
        .otherwise("event_time"),
        channel=pl.when(pl.col("customer_id").is_null())
        .then(pl.lit("refused"))
        .when(pl.int_range(pl.len()) % 2 == 0)
        .then(pl.lit("first"))
        .otherwise(pl.lit("second")),
    )
    world = world_in(tmp_path)
    world.upload(csv(rows), "a.csv")
    world.ingest()

    # when the dictionaries of its files are read
    table = open_version(f"{world.lake}/activity")
    named = [
        {str(value) for chunk in file.column("channel").chunks for value in chunk.dictionary.to_pylist()}
        for file in (pq.read_table(path, columns=["channel"], read_dictionary=["channel"]) for path in table.files())
    ]

    # then each has what its rows have
    assert sorted(named, key=min) == [{"first"}, {"second"}]


def test_tokens_that_hardly_repeat_are_written_as_text(tmp_path: Path) -> None:
    world = world_in(tmp_path)
    world.upload(csv(export(0, 2_000).with_columns(customer_id=pl.format("c{}", pl.int_range(pl.len())))), "a.csv")
    world.ingest()

    (path,) = open_version(f"{world.lake}/activity").files()
    group = pq.read_metadata(path).row_group(0)
    chunks = {group.column(at).path_in_schema: group.column(at) for at in range(group.num_columns)}
    assert not chunks["customer_id"].has_dictionary_page
    assert world.rows()["customer_id"].n_unique() == world.rows().height
