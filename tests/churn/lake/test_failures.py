import errno

import polars as pl
import pytest
from deltalake.exceptions import DeltaError

from churn.errors import ChurnError, CommitConflict
from churn.lake.failures import LakeFailed, lake_failures


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "x", "/lake/anna.parquet"), "No space left on device"),
        (
            OSError("Generic LocalFileSystem error\n\x1b[31m↳\x1b[0m No space left on device (os error 28)"),
            "No space left",
        ),
        (DeltaError("could not write anna.parquet: Permission denied (os error 13)"), "Permission denied"),
        (pl.exceptions.ComputeError("Permission denied (os error 13): /lake/anna.parquet"), "Permission denied"),
        (DeltaError("anna"), "the storage failed"),
    ],
)
def test_a_failing_storage_is_told_by_place_and_cause_alone(error: Exception, told: str) -> None:
    with pytest.raises(LakeFailed, match=told) as failed, lake_failures("s3://bucket/lake"):
        raise error

    assert str(failed.value).startswith("s3://bucket/lake: ")
    assert "anna" not in str(failed.value)
    assert failed.value.__suppress_context__


@pytest.mark.parametrize(
    "error", [CommitConflict("x"), ChurnError("x"), pl.exceptions.ComputeError("x"), ValueError("x")]
)
def test_what_is_no_failure_of_the_storage_passes_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as passed, lake_failures("lake"):
        raise error

    assert passed.value is error
