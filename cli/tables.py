"""Tables on standard output."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import polars as pl

    from churn.ingestion.report import IngestReport

ROW_COUNTS = ("read", "appended", "duplicate", "quarantined")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, total: bool = False) -> None:
    """Print a table; whole numbers go to the right with thousands marks, `total` sets the last row apart."""
    cells = [list(row) for row in rows]
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
    for number, column in enumerate(columns):
        numeric = bool(cells) and all(isinstance(row[number], int) or row[number] is None for row in cells)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for number, row in enumerate(cells):
        table.add_row(*map(_text, row), end_section=total and number == len(cells) - 2)
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        # A pipe or a file has no width: nothing is folded, so that names can be searched for and copied.
        console.width = max(
            console.width, console.measure(table, options=console.options.update(max_width=10_000)).maximum
        )
    console.print(table)


def print_totals(title: str, totals: "pl.DataFrame") -> None:
    """Print what `journal.totals` returns, with a sum below."""
    columns = ["stream", "objects", *ROW_COUNTS]
    rows = totals.select(columns).rows()
    sums = [sum(row[number] for row in rows) for number in range(1, len(columns))]
    print_table(title, columns, [*rows, ("total", *sums)], total=True)


def print_report(title: str, report: "IngestReport") -> None:
    """Print what an ingestion did, stream by stream."""
    rows = [
        (item.stream, len(item.objects), *(getattr(item.counts, name) for name in ROW_COUNTS))
        for item in report.streams
        if item.objects
    ]
    print_table(title, ["stream", "objects", *ROW_COUNTS], rows)


def _text(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
