"""Runs the dbt project in a local Spark session; started with .venv-spark, which has nothing else of the project.

Reads from standard input which folders hold the sources, the variables of dbt and where the results go, and leaves
whatever Spark and its metastore write in the working directory.
"""

import json
import sys
from pathlib import Path

from dbt.cli.main import dbtRunner
from pyspark.sql import SparkSession


def start(folder: Path) -> SparkSession:
    """Start a session that two cores can carry and nobody else can reach."""
    settings = {
        "spark.master": "local[2]",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={folder} -Dderby.system.home={folder}",
        "spark.hadoop.hive.exec.scratchdir": str(folder / "hive"),
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.adaptive.enabled": "false",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.enableHiveSupport()
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def main() -> int:
    """Run dbt; the exit code says whether all models and data tests passed."""
    request = json.load(sys.stdin)
    here = Path.cwd()
    spark = start(here)
    spark.sql("create database lake")
    for table, folder in request["sources"].items():
        spark.sql(f"create table lake.{table} using parquet location '{folder}'")
    command = ["build", "--exclude-resource-types", "unit_test", "--target", "spark"]
    folders = ["--project-dir", request["project"], "--profiles-dir", request["project"]]
    outputs = ["--target-path", str(here / "target"), "--log-path", str(here / "logs")]
    if not dbtRunner().invoke([*command, *folders, *outputs, "--vars", json.dumps(request["variables"])]).success:
        return 1
    for model, folder in request["results"].items():
        spark.table(f"default.{model}").coalesce(1).write.parquet(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
