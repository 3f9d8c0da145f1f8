"""Customer snapshots that lie in an object store."""

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import fsspec
import pytest

from churn.bundle.bundle import Bundle
from churn.online.layout import open_snapshot
from churn.online.pointer import read_pointer
from churn.online.publish import PublishedCustomers
from churn.online.stored import stored_as
from seldon.serving.mirror import Mirror, customers_at
from tests.seldon.serving.cases import PREDICT
from tests.seldon.serving.conftest import Serve
from tests.seldon.serving.published import asked, customers, publish

DAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
URL = "memory://store/serving/customers"


@pytest.fixture
def store() -> Iterator[fsspec.AbstractFileSystem]:
    found = fsspec.filesystem("memory")
    yield found
    found.rm("/store", recursive=True)


@pytest.fixture
def mirrored(tmp_path: Path) -> Path:
    (tmp_path / "mirrored").mkdir()
    return tmp_path / "mirrored"


@pytest.fixture
def made(bundle: Bundle, tmp_path: Path) -> list[PublishedCustomers]:
    """Two snapshots, a version of the table apart."""
    return [
        publish(tmp_path / f"made-{version}", bundle, customers(bundle, seed=version, rows=40), version, DAY)
        for version in (1, 2)
    ]


def put(store: fsspec.AbstractFileSystem, one: PublishedCustomers, at: datetime = NOW) -> str:
    name = stored_as(one.cutoff, one.version, one.digest, at).name
    store.pipe_file(f"/store/serving/customers/{name}", one.path.read_bytes())
    return name


def served(folder: Path) -> str:
    pointed = read_pointer(folder)
    assert pointed
    return open_snapshot(*pointed).digest


def test_the_newest_one_is_kept_and_the_one_before_it_goes(
    store: fsspec.AbstractFileSystem, made: list[PublishedCustomers], mirrored: Path
) -> None:
    mirror = Mirror(URL, mirrored)
    put(store, made[0])
    mirror.look()
    assert served(mirrored) == made[0].digest

    put(store, made[1])
    put(store, made[0], NOW + timedelta(hours=1))  # a publisher that ends late
    mirror.look()

    assert served(mirrored) == made[1].digest
    assert len(list(mirrored.iterdir())) == 2  # the file and the pointer to it


def test_removing_the_newest_one_is_a_way_back(
    store: fsspec.AbstractFileSystem, made: list[PublishedCustomers], mirrored: Path
) -> None:
    mirror = Mirror(URL, mirrored)
    put(store, made[0])
    newest = put(store, made[1])
    mirror.look()

    store.rm_file(f"/store/serving/customers/{newest}")
    mirror.look()

    assert served(mirrored) == made[0].digest


def test_one_that_is_damaged_takes_nothing_away_and_is_told_once(
    store: fsspec.AbstractFileSystem,
    made: list[PublishedCustomers],
    mirrored: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mirror = Mirror(URL, mirrored)
    put(store, made[0])
    mirror.look()
    name = put(store, made[1])
    whole = store.cat_file(f"/store/serving/customers/{name}")
    store.pipe_file(f"/store/serving/customers/{name}", whole[:-1])

    for _ in range(3):
        mirror.look()

    assert served(mirrored) == made[0].digest
    assert capsys.readouterr().err.count(URL) == 1

    store.pipe_file(f"/store/serving/customers/{name}", whole)
    mirror.look()
    assert served(mirrored) == made[1].digest


def test_a_store_that_is_empty_and_one_that_is_away_stop_nobody(
    mirrored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Mirror(URL, mirrored).look()
    assert capsys.readouterr().err == ""

    Mirror("nowhere://store", mirrored).look()

    assert "nowhere://store: no customer snapshot can be fetched" in capsys.readouterr().err
    assert read_pointer(mirrored) is None


def test_a_folder_is_itself_and_a_copy_goes_with_the_server(
    store: fsspec.AbstractFileSystem, made: list[PublishedCustomers], tmp_path: Path
) -> None:
    put(store, made[0])

    with customers_at(None) as none, customers_at(str(tmp_path)) as itself, customers_at(URL) as copy:
        assert (none, itself) == (None, tmp_path)
        assert copy
        assert served(copy) == made[0].digest

    assert not copy.exists()
    assert tmp_path.exists()


def test_a_server_answers_from_a_url(
    serve: Serve, bundle: Bundle, made: list[PublishedCustomers], tmp_path: Path
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    shutil.copyfile(made[1].path, store / stored_as(DAY, 2, made[1].digest, NOW).name)
    tokens = customers(bundle, seed=2, rows=40)["customer_id"]

    answer = serve("--customers", f"file://{store}").ask(PREDICT, asked(tokens[0], tokens[7]))

    assert answer.status == 200
    assert answer.json["meta"]["tags"]["snapshot"]["digest"] == made[1].digest
