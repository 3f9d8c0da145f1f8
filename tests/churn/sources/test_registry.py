from pathlib import Path

import pytest

from churn.sources.registry import open_source
from churn.sources.source import SourceError


def test_cdnow_needs_no_path() -> None:
    assert open_source("cdnow").name == "cdnow"


@pytest.mark.parametrize("name", ["online_retail", "complete_journey"])
def test_the_larger_sets_are_found_below_churn_data(
    name: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHURN_DATA", str(shared_data))
    assert open_source(name).name == name


@pytest.mark.parametrize("name", ["online_retail", "complete_journey"])
def test_without_churn_data_the_error_says_what_to_set(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHURN_DATA", raising=False)
    with pytest.raises(SourceError, match=f"{name}: set CHURN_DATA"):
        open_source(name)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(SourceError, match="cdnow, online_retail, complete_journey, mapped"):
        open_source("cdnwo")


def test_mapped_needs_its_mapping(project_root: Path) -> None:
    with pytest.raises(SourceError, match=r"example\.yaml"):
        open_source("mapped")
    assert open_source("mapped", project_root / "configs" / "sources" / "example.yaml").name == "example-shop"
