from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from zenml.client import Client
from zenml.enums import StackComponentType

from churn.online.publish import PublishedCustomers
from churn.online.stored import KEPT, all_stored
from stacks.customers_store import customers_url, store_customers

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def published(folder: Path, version: int) -> PublishedCustomers:
    path = folder / f"{version}.customers"
    path.write_bytes(f"customers of version {version}".encode())
    return PublishedCustomers(
        path=path,
        digest=f"{version:064x}",
        version=version,
        features_digest="ab" * 32,
        cutoff=date(2026, 11, 21),
        customers=1,
        features=1,
        size=path.stat().st_size,
        changed=True,
    )


def test_one_snapshot_is_stored_once_and_the_newest_few_stay(tmp_path: Path) -> None:
    url = str(tmp_path / "store" / "serving" / "customers")
    made = [published(tmp_path, version) for version in range(1, KEPT + 3)]

    done = [store_customers(one, url, NOW + timedelta(hours=at)) for at, one in enumerate([*made, made[-1]])]

    kept = all_stored(path.name for path in Path(url).iterdir())
    assert done == [*[True] * len(made), False]
    assert [one.digest for one in kept] == [one.digest for one in made[::-1][:KEPT]]
    assert (Path(url) / kept[0].name).read_bytes() == made[-1].path.read_bytes()


def test_one_that_comes_late_does_not_replace_a_newer_one(tmp_path: Path) -> None:
    url = str(tmp_path / "store")
    store_customers(published(tmp_path, 2), url, NOW)
    store_customers(published(tmp_path, 1), url, NOW + timedelta(hours=1))

    assert all_stored(path.name for path in Path(url).iterdir())[0].digest == f"{2:064x}"


def test_a_store_of_this_machine_needs_none_and_any_other_has_a_place(
    zenml: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert customers_url() is None

    store = zenml.create_stack_component(
        "elsewhere", "s3", StackComponentType.ARTIFACT_STORE, {"path": "s3://elsewhere/zenml"}
    )
    orchestrator = zenml.active_stack_model.components[StackComponentType.ORCHESTRATOR][0]
    stack = zenml.create_stack(
        "elsewhere",
        {StackComponentType.ARTIFACT_STORE: store.id, StackComponentType.ORCHESTRATOR: orchestrator.id},
    )
    monkeypatch.setenv("ZENML_ACTIVE_STACK_ID", str(stack.id))

    assert customers_url() == "s3://elsewhere/zenml/serving/customers"
