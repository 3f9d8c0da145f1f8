import json
import logging
import os
import pty
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from churn.log import configure_logging, get_logger, progress


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    factory = logging.getLogRecordFactory()
    before = structlog.get_config() if structlog.is_configured() else None
    yield
    structlog.reset_defaults()
    if before is not None:
        structlog.configure(**before)
    logging.setLogRecordFactory(factory)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_fact_is_one_json_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()

    get_logger("churn.lake").info("batch_committed", stream="activity", rows=12)

    [line] = lines(capsys)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "batch_committed",
        "level": "info",
        "logger_name": "churn.lake",
        "stream": "activity",
        "rows": 12,
    }


def test_logger_made_before_the_configuration_obeys_it(capsys: pytest.CaptureFixture[str]) -> None:
    log = get_logger("early")
    configure_logging(level="warning")

    log.info("unheard")
    log.warning("heard")

    assert [line["event"] for line in lines(capsys)] == ["heard"]


def test_unconfigured_logger_is_scrubbed(capsys: pytest.CaptureFixture[str]) -> None:
    get_logger("any").info("seen", who="jane@example.com", token="abc")

    [line] = lines(capsys)
    assert (line["who"], line["token"]) == ("<email>", "<secret>")


def test_traceback_is_kept_but_scrubbed_and_shows_no_locals(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging()
    local_value = "only-in-a-local"

    try:
        try:
            raise ValueError("cannot parse jane@example.com")
        except ValueError as error:
            raise RuntimeError(f"gave up after {len(local_value)} tries, hvs.CAESIJ1234567890abcdef") from error
    except RuntimeError:
        get_logger("any").exception("ingestion_failed")

    [line] = lines(capsys)
    text = str(line["exception"])
    assert "cannot parse <email>" in text
    assert "RuntimeError: gave up after 15 tries, <secret>" in text
    assert "test_log.py" in text
    assert local_value not in text.replace('local_value = "only-in-a-local"', "")


def test_lines_for_people_are_scrubbed_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(json=False)

    try:
        raise ValueError("jane@example.com")
    except ValueError:
        get_logger("any").exception("failed", phone="+49 30 1234567")

    text = capsys.readouterr().err
    assert "ValueError: <email>" in text
    assert "<phone>" in text
    assert "jane" not in text.replace('raise ValueError("jane@example.com")', "")


def test_records_of_libraries_are_scrubbed(caplog: pytest.LogCaptureFixture) -> None:
    configure_logging()

    try:
        raise KeyError("jane@example.com")
    except KeyError:
        logging.getLogger("hvac").error("login of %s failed, 100%%", "jane@example.com", exc_info=True)

    assert "login of <email> failed, 100%" in caplog.text
    assert "KeyError: <email>" in caplog.text


def test_harmless_record_keeps_its_arguments(caplog: pytest.LogCaptureFixture) -> None:
    configure_logging()

    logging.getLogger("uvicorn.access").warning("%s %d", "/health", 200)

    assert caplog.records[0].args == ("/health", 200)


def test_record_that_does_not_fit_its_message_never_stops_the_work() -> None:
    configure_logging()

    record = logging.getLogRecordFactory()("any", logging.INFO, "f.py", 1, "%d rows", ("jane@example.com",), None)

    assert "jane" not in record.getMessage()


def test_nothing_is_drawn_when_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress("abc", "Reading", after=0)) == ["a", "b", "c"]
    assert list(progress(3, "Counting", after=0)) == [0, 1, 2]

    assert capsys.readouterr() == ("", "")


def watched(project_root: Path, body: str) -> str:
    """Run `body` with a terminal as its standard error and return what the terminal showed."""
    script = "import time\nfrom churn.log import progress\n" + textwrap.dedent(body)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(project_root)}
    with subprocess.Popen([sys.executable, "-c", script], stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:  # Linux reports the end of a terminal as an error
            pass
    os.close(ours)
    assert process.returncode == 0, shown.decode()
    return shown.decode()


def test_bar_appears_once_a_person_has_waited(project_root: Path) -> None:
    shown = watched(project_root, "for _ in progress(4, 'Reading objects', after=0.2): time.sleep(0.2)")

    assert "Reading objects" in shown
    assert "75%" in shown


def test_bar_appears_while_the_first_item_still_works(project_root: Path) -> None:
    shown = watched(project_root, "for _ in progress(iter('a'), 'Reading objects', after=0.1): time.sleep(0.5)")

    assert "Reading objects" in shown


def test_quick_work_shows_no_bar(project_root: Path) -> None:
    assert watched(project_root, "for _ in progress(100, 'Reading objects'): pass") == ""


def test_error_in_the_loop_passes_through_the_bar(project_root: Path) -> None:
    shown = watched(
        project_root,
        """
        try:
            for item in progress(3, 'Reading objects', after=0.05):
                time.sleep(0.2)
                raise KeyError(item)
        except KeyError:
            print("caught")
        """,
    )

    assert "Reading objects" in shown


def test_a_file_gets_everything_while_only_warnings_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = get_logger("early")
    configure_logging(json=False, level="warning", file=tmp_path / "logs" / "demo.jsonl", unshown=["alert"])

    log.debug("unheard")
    log.info("taken", who="jane@example.com")
    log.warning("late", hours=3)
    log.error("alert")

    shown = capsys.readouterr().err
    kept = [json.loads(line) for line in (tmp_path / "logs" / "demo.jsonl").read_text().splitlines()]
    assert [line["event"] for line in kept] == ["taken", "late", "alert"]
    assert "jane" not in str(kept)
    assert shown.count("\n") == 1
    assert "late" in shown
    assert "\x1b" not in shown


def test_a_log_file_that_cannot_be_written_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(json=True, level="info", file=tmp_path / "demo.jsonl")
    (tmp_path / "demo.jsonl").mkdir()

    get_logger("any").info("taken")

    assert [line["event"] for line in lines(capsys)] == ["taken"]
