"""The subject map: from a personal value to a random token, through a fingerprint only the data key can make.

A token says nothing about the person: it is drawn at random and joined to HMAC-SHA256(data key, value) in one table.
That row is the only link. Deleting it erases the person from the lake without touching history (rows keep a token that
leads nowhere; a running process forgets it at its end), and a new data key means new fingerprints in this table alone.
"""

import random as pseudo
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Final

import numpy as np
import polars as pl

from churn.errors import ChurnError, CommitConflict, KeyUnavailable
from churn.lake.opened import Opened
from churn.lake.reading import scan_files
from churn.lake.table import Pinned
from churn.log import get_logger
from churn.privacy.halves import WIDTH, digits, halves
from churn.privacy.keys import DataKey
from churn.privacy.known import KnownTokens

log = get_logger(__name__)

TABLE: Final = "subjects"
FENCE: Final = "subjects"
_FINGERPRINT: Final = ["fingerprint_high", "fingerprint_low"]
"""The first 128 bits: among a billion subjects, two share them with a chance of one in 10^20."""
_TOKEN: Final = ["token_high", "token_low"]
"""What stands in a token after its prefix."""
SCHEMA: Final = pl.Schema(
    {
        **dict.fromkeys(_FINGERPRINT, pl.Int64()),
        "kind": pl.String(),
        **dict.fromkeys(_TOKEN, pl.Int64()),
        "created_at": pl.Datetime("us", "UTC"),
    }
)
_ATTEMPTS: Final = 50
_HARDLY_REPEAT: Final = 0.75
"""Share of different values among tokens, from which on Polars too writes text without a dictionary."""
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
        cache_size: int = 700_000,
        opened: Opened | None = None,
    ) -> None:
        """Bind the map to a lake; nothing is read yet.

        Args:
            lake_url: folder of the lake's tables.
            key: makes the fingerprints.
            random: source of that many unpredictable bytes.
            clock: time for `created_at`.
            cache_size: raw values kept in memory with their tokens, all kinds together; about 275 bytes each.
            opened: tables that the process has open, if it keeps any.
        """
        self._uri = f"{lake_url.rstrip('/')}/{TABLE}"
        self._key = key
        self._random = random
        self._clock = clock
        self._cache_size = cache_size
        self._opened = opened or Opened()
        self._hash_seed = int.from_bytes(random(8))
        self._cache: dict[str, KnownTokens] = {}
        self._cached_files: set[str] = set()
        self._key_checked = False

    def tokenise(self, frame: pl.DataFrame, kinds: Mapping[str, str]) -> pl.DataFrame:
        """Put tokens in place of raw values; the subjects among them that are new are committed first, all at once.

        Args:
            frame: has columns of raw values (String); nulls stay null.
            kinds: domain of each such column; the same text has another token in another domain.

        Returns:
            The frame with tokens in these columns, Categorical where they repeat and String where they hardly do.

        Raises:
            KeyUnavailable: the table was written with another data key.
            ChurnError: the table could not be read or written; nothing of it is remembered.
        """
        for name in kinds:
            if frame[name].dtype != pl.String:
                raise TypeError(f"values to tokenise are String, {name} is {frame[name].dtype}")
        tokens = {name: self._known(kind).tokens(frame[name]) for name, kind in kinds.items()}
        rest = {name: (tokens[name].is_null() & frame[name].is_not_null()).arg_true() for name in kinds}
        unknown = {name: frame[name].gather(rows) for name, rows in rest.items() if rows.len()}
        if unknown:
            self._learn(unknown, kinds)
            for name, values in unknown.items():
                learnt = self._known(kinds[name]).tokens(values)
                if learnt.dtype != tokens[name].dtype:  # the cache was emptied in between
                    tokens[name], learnt = tokens[name].cast(pl.String), learnt.cast(pl.String)
                tokens[name] = tokens[name].scatter(rest[name], learnt)
            if self._held() > self._cache_size:
                self._forget()
        return frame.with_columns(_as_written(column).alias(name) for name, column in tokens.items())

    def tokens_for(self, values: list[str], kind: str) -> dict[str, str]:
        """Return the tokens of those values that have one; nothing is created."""
        table = self._open()
        wanted = pl.Series([value for value in set(values) if _is_text(value)], dtype=pl.String)
        if table is None or wanted.is_empty():
            return {}
        found = self._find(table, table.files(), self._fingerprinted(wanted, kind))
        return dict(found.select("raw", "token").iter_rows())

    def lookup(self, value: str, kind: str) -> str | None:
        """Return the token of one value, or none; nothing is created."""
        return self.tokens_for([value], kind).get(value)

    def _learn(self, unknown: Mapping[str, pl.Series], kinds: Mapping[str, str]) -> None:
        """Bring the tokens of columns of unknown values into the cache; a full one is emptied, which keeps it cheap."""
        by_kind: dict[str, list[pl.Series]] = {}
        for name, values in unknown.items():
            by_kind.setdefault(kinds[name], []).append(values.alias("raw"))
        found, new_files = self._resolve(
            pl.concat([self._fingerprinted(pl.concat(values).unique(), kind) for kind, values in by_kind.items()])
        )
        if self._held() + found.height > self._cache_size:
            self._forget()
        for kind in by_kind:
            of_kind = found.filter(pl.col("kind") == kind)
            self._known(kind).add(of_kind["raw"], of_kind["token"])
        self._cached_files |= new_files

    def _resolve(self, wanted: pl.DataFrame) -> tuple[pl.DataFrame, set[str]]:
        """Return raw, kind and token of values not in the cache, committing the new ones, and the files of those."""
        for attempt in range(_ATTEMPTS):
            table = self._open() or self._opened.create(self._uri, SCHEMA, name=TABLE)
            # A value that the cache lacks is not in a file whose every row is cached.
            found = self._find(table, set(table.files()) - self._cached_files, wanted)
            missing = wanted.join(found, on=_FINGERPRINT, how="anti") if found.height else wanted
            if not missing.height:
                return found, set()
            minted = self._mint(missing)
            try:
                after = table.append(
                    minted.select(SCHEMA.names()), fence=FENCE, metadata={_KEY_CHECK: self._fingerprint_of_key()}
                )
            except CommitConflict:
                time.sleep(min(0.01 * 2**attempt, 0.5) * pseudo.random())
                continue
            self._opened.follow(after)
            self._key_checked = True
            counts = {kind: minted.filter(kind=kind).height for kind in minted["kind"].unique(maintain_order=True)}
            log.info("subjects_created", subjects=minted.height, kinds=counts, version=after.version)
            return pl.concat([found, minted.select(found.columns)]), set(after.files()) - set(table.files())
        raise ChurnError(
            f"{self._uri}: other writers were first {_ATTEMPTS} times in a row; nothing was written, run again"
        )

    def _find(self, table: Pinned, paths: Collection[str], wanted: pl.DataFrame) -> pl.DataFrame:
        """Return the wanted fingerprints that these files hold, with their tokens, in bounded memory.

        A fingerprint is of one kind: the kind is part of what it is made from.
        """
        files = table.active.filter(pl.Series(table.files(), dtype=pl.String).is_in(list(paths)))
        stored = scan_files(table.uri, files, table.schema, None, [*_FINGERPRINT, *_TOKEN])
        present = stored.join(wanted.lazy().select(_FINGERPRINT), on=_FINGERPRINT, how="semi").collect(
            engine="streaming"
        )
        return _with_tokens(wanted.join(present, on=_FINGERPRINT, how="inner"))

    def _mint(self, missing: pl.DataFrame) -> pl.DataFrame:
        drawn = halves(self._random(WIDTH * missing.height), _TOKEN)
        if drawn.n_unique() != missing.height:
            raise ChurnError(f"{self._uri}: the source of random bytes repeats itself; nothing was written")
        created_at = pl.lit(self._clock(), dtype=SCHEMA["created_at"])
        return _with_tokens(missing.hstack(drawn)).with_columns(created_at=created_at)

    def _open(self) -> Pinned | None:
        table = self._opened.open(self._uri)
        if table is not None and not self._key_checked:
            self._check_columns(table)
            self._check_key(table)
        return table

    def _check_columns(self, table: Pinned) -> None:
        """Refuse a map of other columns: where none of the known is found, every customer would become a new one."""
        if lacking := [name for name in SCHEMA if name not in table.schema]:
            raise ChurnError(
                f"{self._uri}: lacks {', '.join(lacking)}; another version of the platform wrote it. "
                "Ingest with that version, or anew into another lake"
            )

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

    def _fingerprinted(self, raw: pl.Series, kind: str) -> pl.DataFrame:
        prints = b"".join(fingerprint[:WIDTH] for fingerprint in self._key.fingerprints(kind, raw))
        return halves(prints, _FINGERPRINT).with_columns(raw=raw, kind=pl.lit(kind))

    def _known(self, kind: str) -> KnownTokens:
        return self._cache.setdefault(kind, KnownTokens(self._hash_seed))

    def _held(self) -> int:
        return sum(len(known) for known in self._cache.values())

    def _forget(self) -> None:
        self._cached_files.clear()
        self._cache.clear()

    def __repr__(self) -> str:
        return f"SubjectMap({self._uri!r})"


def _with_tokens(pairs: pl.DataFrame) -> pl.DataFrame:
    """Return subjects with the text of their tokens beside the halves of them."""
    prefix = pl.when(pl.col("kind") == "customer").then(pl.lit("cus_")).otherwise(pl.lit("tok_"))
    return pairs.with_columns(token=prefix + pl.Series(digits(pairs.select(_TOKEN)), dtype=pl.String))


def _as_written(tokens: pl.Series) -> pl.Series:
    """Return tokens that hardly repeat as text: a file takes more room for a dictionary of them."""
    if tokens.dtype == pl.String:
        return tokens
    codes = tokens.to_physical().drop_nulls().to_numpy()
    hardly = np.count_nonzero(np.bincount(codes)) > _HARDLY_REPEAT * codes.size
    return tokens.cast(pl.String) if hardly else tokens


def _is_text(value: str) -> bool:
    """Tell whether a value can be UTF-8 at all; what cannot was never tokenised."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in value)
