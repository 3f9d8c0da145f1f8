"""The subject map: from a personal value to a random token, through a fingerprint only the data key can make.

A token says nothing about the person: it is drawn at random and joined to HMAC-SHA256(data key, value) in one table.
That row is the only link. Deleting it erases the person from the lake without touching history (rows keep a token that
leads nowhere; a running process forgets it at its end), and a new data key means new fingerprints in this table alone.
"""

import random as pseudo
import secrets
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Final

import polars as pl

from churn.errors import ChurnError, CommitConflict, KeyUnavailable
from churn.lake.reading import scan_files
from churn.lake.table import Pinned, create_table, open_table
from churn.log import get_logger
from churn.privacy.keys import DataKey

log = get_logger(__name__)

TABLE: Final = "subjects"
FENCE: Final = "subjects"
SCHEMA: Final = pl.Schema(
    {
        "fingerprint": pl.Binary(),
        "kind": pl.String(),
        "token": pl.String(),
        "created_at": pl.Datetime("us", "UTC"),
    }
)
_TOKEN_BYTES: Final = 16
_ATTEMPTS: Final = 50
_KEY_CHECK: Final = "key-check"


class SubjectMap:
    """Tokens of one lake's subjects; the first to commit a subject decides its token for everybody."""

    def __init__(
        self,
        lake_url: str,
        key: DataKey,
        *,
        random: Callable[[int], bytes] = secrets.token_bytes,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        cache_size: int = 1_000_000,
    ) -> None:
        """Bind the map to a lake; nothing is read yet.

        Args:
            lake_url: folder of the lake's tables.
            key: makes the fingerprints.
            random: source of that many unpredictable bytes.
            clock: time for `created_at`.
            cache_size: raw values kept in memory with their tokens, all kinds together; about 150 bytes each.
        """
        self._uri = f"{lake_url.rstrip('/')}/{TABLE}"
        self._key = key
        self._random = random
        self._clock = clock
        self._cache_size = cache_size
        self._cache: dict[str, pl.DataFrame] = {}
        self._cached_files: set[str] = set()
        self._key_checked = False

    def tokenise(self, values: pl.Series, kind: str) -> pl.Series:
        """Return the token of each value; the subjects among them that are new are committed first.

        Args:
            values: raw values (String); nulls stay null.
            kind: domain of the values; the same text has another token in another domain.

        Raises:
            KeyUnavailable: the table was written with another data key.
            ChurnError: the table could not be read or written; nothing of it is remembered.
        """
        if values.dtype != pl.String:
            raise TypeError(f"values to tokenise are String, got {values.dtype}")
        column = pl.DataFrame({"raw": values})
        tokens = self._joined(column, self._cache.get(kind))
        rest = tokens.is_null() & values.is_not_null()
        if rest.any():
            missing = column.filter(rest)
            found, new_files = self._resolve(missing.unique(), kind)
            self._remember(found, new_files, kind)
            tokens = tokens.scatter(rest.arg_true(), self._joined(missing, found))
        return tokens.alias(values.name)

    def tokens_for(self, values: list[str], kind: str) -> dict[str, str]:
        """Return the tokens of those values that have one; nothing is created."""
        wanted = pl.DataFrame({"raw": [value for value in set(values) if _is_text(value)]}, schema={"raw": pl.String})
        table = self._open()
        if table is None or not wanted.height:
            return {}
        found = self._find(table, table.files(), self._fingerprinted(wanted, kind), kind)
        return dict(zip(found["raw"], found["token"], strict=True))

    def lookup(self, value: str, kind: str) -> str | None:
        """Return the token of one value, or none; nothing is created."""
        return self.tokens_for([value], kind).get(value)

    def _resolve(self, unknown: pl.DataFrame, kind: str) -> tuple[pl.DataFrame, set[str]]:
        """Return raw and token of values that are not in the cache, committing the new ones, and the files of those."""
        wanted = self._fingerprinted(unknown, kind)
        for attempt in range(_ATTEMPTS):
            table = self._open() or create_table(self._uri, SCHEMA, name=TABLE)
            # A value that the cache lacks is not in a file whose every row is cached.
            found = self._find(table, set(table.files()) - self._cached_files, wanted, kind)
            missing = wanted.join(found, on="raw", how="anti")
            if not missing.height:
                return found, set()
            minted = self._mint(missing, kind)
            try:
                after = table.append(
                    minted.select(SCHEMA.names()), fence=FENCE, metadata={_KEY_CHECK: self._fingerprint_of_key()}
                )
            except CommitConflict:
                time.sleep(min(0.01 * 2**attempt, 0.5) * pseudo.random())
                continue
            self._key_checked = True
            log.info("subjects_created", kind=kind, subjects=minted.height, version=after.version)
            return pl.concat([found, minted.select("raw", "token")]), set(after.files()) - set(table.files())
        raise ChurnError(
            f"{self._uri}: other writers were first {_ATTEMPTS} times in a row; nothing was written, run again"
        )

    def _find(self, table: Pinned, paths: Collection[str], wanted: pl.DataFrame, kind: str) -> pl.DataFrame:
        """Return raw and token of the wanted fingerprints that these files hold, in bounded memory."""
        files = table.active.filter(pl.Series(table.files(), dtype=pl.String).is_in(list(paths)))
        columns = ["fingerprint", "kind", "token"]
        stored = scan_files(table.uri, files, table.schema, None, columns).filter(pl.col("kind") == kind).drop("kind")
        present = stored.join(wanted.lazy().select("fingerprint"), on="fingerprint", how="semi").collect(
            engine="streaming"
        )
        return wanted.join(present, on="fingerprint", how="inner").select("raw", "token")

    def _mint(self, missing: pl.DataFrame, kind: str) -> pl.DataFrame:
        digits = self._random(_TOKEN_BYTES * missing.height).hex()
        width = 2 * _TOKEN_BYTES
        prefix = "cus_" if kind == "customer" else "tok_"
        tokens = pl.Series("token", [prefix + digits[at : at + width] for at in range(0, len(digits), width)])
        if tokens.n_unique() != missing.height:
            raise ChurnError(f"{self._uri}: the source of random bytes repeats itself; nothing was written")
        return missing.with_columns(
            tokens, kind=pl.lit(kind), created_at=pl.lit(self._clock(), dtype=SCHEMA["created_at"])
        )

    def _open(self) -> Pinned | None:
        table = open_table(self._uri)
        if table is not None and not self._key_checked:
            self._check_key(table)
        return table

    def _check_key(self, table: Pinned) -> None:
        """Refuse a data key other than the table's: every known customer would silently become a new one."""
        last = table.fence(FENCE)
        if last == 0:
            return
        notes = table.metadata_since(FENCE, last - 1)
        if not notes or notes[-1].get(_KEY_CHECK) != self._fingerprint_of_key():
            raise KeyUnavailable(
                f"{self._uri}: was written with another data key than the vault gives (version {self._key.version}); "
                "point VAULT_ADDR at the vault that belongs to this lake, or bring its state back"
            )
        self._key_checked = True

    def _fingerprint_of_key(self) -> str:
        return self._key.fingerprint(_KEY_CHECK, TABLE).hex()

    def _fingerprinted(self, raw: pl.DataFrame, kind: str) -> pl.DataFrame:
        return raw.with_columns(pl.Series("fingerprint", self._key.fingerprints(kind, raw["raw"]), dtype=pl.Binary))

    @staticmethod
    def _joined(column: pl.DataFrame, tokens: pl.DataFrame | None) -> pl.Series:
        if tokens is None:
            return pl.Series("token", [None], dtype=pl.String).new_from_index(0, column.height)
        return column.join(tokens, on="raw", how="left", maintain_order="left")["token"]

    def _remember(self, found: pl.DataFrame, new_files: set[str], kind: str) -> None:
        """Add committed tokens; a full cache is emptied as a whole, which keeps it cheap."""
        if sum(cache.height for cache in self._cache.values()) + found.height > self._cache_size:
            self._cached_files.clear()
            self._cache.clear()
        kept = _compact(found.head(self._cache_size))
        cache = self._cache.get(kind)
        self._cache[kind] = kept if cache is None else pl.concat([cache, kept], rechunk=True)
        if kept.height == found.height:
            self._cached_files |= new_files

    def __repr__(self) -> str:
        return f"SubjectMap({self._uri!r})"


def _compact(frame: pl.DataFrame) -> pl.DataFrame:
    """Copy strings out of the columns they were picked from: a picked string keeps its whole column in memory."""
    return pl.DataFrame({name: frame[name].to_list() for name in frame.columns}, schema=frame.schema)


def _is_text(value: str) -> bool:
    """Tell whether a value can be UTF-8 at all; what cannot was never tokenised."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in value)
