from pathlib import Path

import duckdb
import pytest

from churn.features.dbt import Dbt
from churn.features.settings import FeatureSettings
from churn.features.tables import ACTIVITY, EVENTS, RECORDS, ROLLUPS
from churn.features.views import create_view


@pytest.fixture(scope="module")
def dbt(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """The project over empty tables, every model built."""
    folder = tmp_path_factory.mktemp("dbt")
    run = Dbt(project_root / "dbt", folder, FeatureSettings(threads=1), cache=folder / "cache")
    with duckdb.connect(str(run.database)) as database:
        for name, columns in {ACTIVITY: EVENTS, **RECORDS, **ROLLUPS}.items():
            create_view(database, name, columns, [])
    run.run(["run"], {})
    return run
