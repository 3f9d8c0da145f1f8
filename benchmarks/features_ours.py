"""The platform's own features as a program: `python -m benchmarks.features_ours LAKE OUT [full|hour|day]`.

`OUT` holds rollups and the feature table; what an earlier build left there is used, as in production.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.measure import ROOT
from benchmarks.peers.features_job import SETTINGS, snapshot
from churn.features.build import build_features


def main() -> None:
    """Build the features of one snapshot and print rows and digest."""
    lake, out, *names = sys.argv[1:]
    built = build_features(
        snapshot(Path(lake), *names),
        SETTINGS,
        lake_url=out,
        dbt_dir=ROOT / "dbt",
        work_dir=Path(out) / "work",
        clock=lambda: datetime(2100, 1, 1, tzinfo=UTC),
    )
    print(json.dumps({"rows": sum(built.rows.values()), "digest": built.digest, "version": built.features.version}))


if __name__ == "__main__":
    main()
