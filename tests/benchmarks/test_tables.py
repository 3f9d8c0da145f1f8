import pytest

from benchmarks import tables
from benchmarks.measure import Cost, measured


def test_costs_of_a_process_are_its_own() -> None:
    idle = measured(["-c", "pass"])
    busy = measured(["-c", "x = bytearray(200 * 2**20); sum(range(10**7)); print('{\"rows\": 3}')"])

    assert busy.cpu > idle.cpu
    assert busy.peak > 200
    assert busy.printed == {"rows": 3}


def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="no such luck"):
        measured(["-c", "raise SystemExit('no such luck')"])


def test_ratios_are_medians_over_the_floor_and_over_ours() -> None:
    def rounds(*seconds: float) -> list[Cost]:
        return [Cost(cpu=cpu, wall=cpu, peak=100 * cpu, printed={}) for cpu in seconds]

    text = tables.comparison(
        1_000_000, 72, {"csv": {"floor": rounds(1, 2, 9), "ours": rounds(3, 4, 5), "pandas": rounds(10)}}
    )

    assert "| csv | ours | 4.0 | 4.0 | 500 | 2.00 (≤ 2.0) | 1.00 | 3 |" in text
    assert "| csv | pandas | 10.0 | 10.0 | 1000 | 5.00 | 2.50 | 1 |" in text


def test_tables_replace_what_stands_between_the_markers() -> None:
    first, last = (marker.format(program="features") for marker in (tables.BEGIN, tables.END))
    page = f"before\n{first}\nold\n{last}\nafter\n"

    assert tables.written(page, "new", program="features") == f"before\n{first}\nnew\n{last}\nafter\n"


def test_a_page_without_markers_is_not_touched() -> None:
    with pytest.raises(ValueError, match="lacks the markers"):
        tables.written("no markers", "new")


def test_latency_is_shown_by_how_the_lake_is_kept() -> None:
    figures = {
        "late": 700,
        "commit_early_wall": 0.2,
        "commit_late_wall": 0.3,
        "commit_early_cpu": 0.1,
        "commit_late_cpu": 0.4,
        "run_early_wall": 0.4,
        "run_late_wall": 0.8,
        "run_early_cpu": 0.3,
        "run_late_cpu": 0.3,
    }

    text = tables.latency({"daily upkeep": figures})

    assert "at version 700" in text
    assert "| daily upkeep, the commit, wall s | 0.200 | 0.300 | 1.50 (≤ 1.5) |" in text
    assert "| daily upkeep, the commit, CPU s | 0.100 | 0.400 | 4.00 (≤ 1.5) |" in text
    assert "| daily upkeep, the whole run, wall s | 0.400 | 0.800 | 2.00 |" in text
