"""What is paid besides the work: imports, and a whole ZenML pipeline run on one hourly object."""

import shutil
from pathlib import Path

from benchmarks.measure import ROOT, Cost, measured
from benchmarks.peers.job import available_at

_CHURN = ("-c", "from cli.main import app; app()")
_IMPORT_PIPELINE = (
    "from zenml.utils.source_utils import set_custom_source_root; set_custom_source_root('.'); "
    "import pipelines.ingestion"
)
_SETTINGS = """\
environment: dev
landing: {{url: {landing}}}
lake: {{url: {lake}}}
ingestion: {{contracts: {{activity: {contract}}}}}
"""


def framework_costs(landing: Path, root: Path) -> dict[str, Cost]:
    """Weigh single processes, the last two on the same hourly object of `landing`.

    The project root has been used before when the pipeline is weighed: its store is set up, its stack registered, its
    vault runs and its tables exist, as every hour but the first finds them.
    """
    costs = {
        name: measured(["-c", program])
        for name, program in (
            ("Python alone", "pass"),
            ("import polars", "import polars"),
            ("import what ingestion needs", "import benchmarks.ours"),
            ("import zenml and the pipeline", _IMPORT_PIPELINE),
        )
    }
    objects = sorted(landing.glob("activity/dt=*/hour=*/*"))[:2]
    alone = root / "alone"
    _copy(objects[1], landing, alone)
    costs["ingestion of one hourly object, no framework"] = measured(
        ["-m", "benchmarks.ours", "parquet", str(alone), str(root / "alone-lake")]
    )
    environment = {"CHURN_ROOT": str(root), "ZENML_CONFIG_PATH": str(root / "zenml")}

    def churn(*arguments: str) -> Cost:
        return measured([*_CHURN, *arguments], environment=environment)

    zone = root / "landing"
    _write_settings(root, zone)
    try:
        _copy(objects[0], landing, zone)
        churn("stack", "register", "dev", "--activate")
        churn("ingest", "--until", available_at(objects[0]).isoformat())
        _copy(objects[1], landing, zone)
        costs["pipeline run on one hourly object"] = churn("ingest", "--until", available_at(objects[1]).isoformat())
    finally:
        churn("vault", "stop")
    return costs


def _write_settings(root: Path, zone: Path) -> None:
    (root / "configs").mkdir(parents=True)
    contract = ROOT / "benchmarks" / "activity.yaml"
    text = _SETTINGS.format(landing=zone, lake=root / "lake", contract=contract)
    (root / "configs" / "dev.yaml").write_text(text, encoding="utf-8")


def _copy(item: Path, landing: Path, zone: Path) -> None:
    target = zone / item.relative_to(landing)
    target.parent.mkdir(parents=True)
    shutil.copyfile(item, target)
