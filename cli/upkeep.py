"""`churn upkeep`: compaction, vacuum and a roll of the embedded vault's audit log, once a day."""

import typer

from cli.options import EnvironmentOption, settings_of, utc_now


def upkeep(environment: EnvironmentOption = "dev") -> None:
    """Compact small files, then remove what no table version in use needs; pinned versions stay readable.

    A long audit log of the embedded vault is set aside, and the oldest of them removed.
    """
    from churn.lake.upkeep import upkeep as keep_up
    from cli.tables import print_table
    from stacks.environment import project_root
    from vault.audit import roll_audit
    from vault.datakey import EMBEDDED_STATE

    settings, now = settings_of(environment), utc_now()
    report = keep_up(settings.lake.url, settings.upkeep, now)
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
    if roll_audit(project_root() / EMBEDDED_STATE, settings.upkeep, now):
        typer.echo("the vault's audit log was long and begins anew")
