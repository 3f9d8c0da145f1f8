"""The log that commits of one process go through."""

from deltalake import DeltaTable

from churn.lake.opening import openable


class CommitLog:
    """Lends the log of a table to one committer at a time, so that it may move it on: nobody reads from it.

    To open a log is to read everything since its last checkpoint; to bring one up by the entry that is new costs less
    than half of that, and does not grow with what lies before.
    """

    def __init__(self, uri: str) -> None:
        """Start with nothing open."""
        self._uri = uri
        self._free: list[DeltaTable] = []

    def take(self, version: int) -> DeltaTable:
        """Return the log at a version, for its borrower alone.

        Raises:
            ChurnError: it cannot be opened.
        """
        with openable(self._uri, version):
            log = self._pop()
            if log is not None and log.version() < version:
                log.update_incremental()
            return log if log is not None and log.version() == version else DeltaTable(self._uri, version=version)

    def give_back(self, log: DeltaTable) -> None:
        """Lend it again to the next one."""
        self._free[:] = [log]

    def _pop(self) -> DeltaTable | None:
        try:
            return self._free.pop()
        except IndexError:
            return None
