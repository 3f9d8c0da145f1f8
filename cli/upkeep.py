"""`churn upkeep`: compaction and vacuum, once a day."""

from cli.options import EnvironmentOption, settings_of, utc_now


def upkeep(environment: EnvironmentOption = "dev") -> None:
    """Compact small files, then remove what no table version in use needs; pinned versions stay readable."""
    from churn.lake.upkeep import upkeep as keep_up
    from cli.tables import print_table

    settings = settings_of(environment)
    report = keep_up(settings.lake.url, settings.upkeep, utc_now())
    rows = [
        (
            name,
            done.version,
            done.compaction.partitions,
            done.compaction.files_before,
            done.compaction.files_after,
            done.removed,
            ", ".join(map(str, done.pinned)) or "–",
        )
        for name, done in report.tables.items()
    ]
    columns = ["table", "version", "partitions compacted", "files before", "files after", "files removed", "pinned"]
    print_table("Upkeep", columns, rows)
