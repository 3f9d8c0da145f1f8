"""dbt's own process: `python -P dbt_process.py PARSED COMMAND... -- OPTIONS...`.

dbt would parse its own 500 macros and the project's files at each start, which takes longer than to run them all over a
small lake. So what was parsed, with the defaults of variables, is kept in the file PARSED, whose name says what it was
made from. Only the command has the values of a build.
"""

import gc
import hashlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest

_DIGEST = hashlib.sha256().digest_size


def read_parsed(file: Path) -> "Manifest | None":
    """Return what was parsed before; none where the file is missing or not whole."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    digest, kept = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(kept).digest() != digest:
        return None
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    return Manifest.from_msgpack(kept, decoder=extended_mashumuro_decoder)


def keep_parsed(file: Path, manifest: "Manifest") -> None:
    """Keep what was parsed instead of what was kept before; where nothing can be written, nothing is."""
    from dbt.parser.manifest import extended_mashumaro_encoder

    kept = manifest.to_msgpack(extended_mashumaro_encoder)
    written = file.with_name(f".{file.name}.{os.getpid()}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            written.write_bytes(hashlib.sha256(kept).digest() + kept)
            written.replace(file)
        finally:
            written.unlink(missing_ok=True)
        for other in file.parent.glob(f"*{file.suffix}*"):  # also what was being written when a process was killed
            if other != file:
                other.unlink(missing_ok=True)


def main(parsed: Path, command: Sequence[str], options: Sequence[str]) -> int:
    """Run a dbt command; returns what the process ends with."""
    # Looking for garbage among what dbt has parsed costs a tenth of its time, and all of it ends with the process.
    gc.disable()
    from dbt.cli.main import dbtRunner

    manifest = read_parsed(parsed)
    if manifest is None:
        done = dbtRunner().invoke(["parse", *options])
        if not done.success:
            return _ended(done)
        manifest = cast("Manifest", done.result)
        keep_parsed(parsed, manifest)
    return _ended(dbtRunner(manifest=manifest).invoke([*command, *options]))


def _ended(done: "dbtRunnerResult") -> int:
    """Say what dbt raised, unless it ran to its end, and return what the process ends with."""
    if done.exception is not None:
        said = " ".join(str(done.exception).split())
        print(f"{type(done.exception).__name__}: {said}", file=sys.stderr)
    return 0 if done.success else 1


if __name__ == "__main__":
    _file, *_words = sys.argv[1:]
    _end = _words.index("--")
    sys.exit(main(Path(_file), _words[:_end], _words[_end + 1 :]))
