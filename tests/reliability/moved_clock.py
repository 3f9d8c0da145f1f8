"""A wall clock that a test moves for whole process trees, so that servers, gateway and pipelines share their hours."""

import mmap
import os
import shutil
import struct
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

SOURCE = Path(__file__).with_name("moved_clock.c")
VARIABLE = "MOVED_CLOCK"
_MICROSECOND = timedelta(microseconds=1)


class NoCompiler(Exception):
    """The library cannot be built here."""


def prepare(folder: Path) -> dict[str, str]:
    """Build the library and return what processes need in their environment to live by the clock.

    Raises:
        NoCompiler: there is no C compiler.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise NoCompiler("no C compiler here; apt-get install gcc libc6-dev")
    library, file = folder / "moved_clock.so", folder / "moved_clock"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)], check=True)
    file.write_bytes(struct.pack("q", 0))
    return {"LD_PRELOAD": str(library), VARIABLE: str(file)}


class MovedClock:
    """The clock of this process and of all that it starts; it runs as fast as any, and can be put forward."""

    def __init__(self) -> None:
        with open(os.environ[VARIABLE], "r+b") as file:
            self._page = mmap.mmap(file.fileno(), 8)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def forward(self, by: timedelta) -> None:
        """Let time pass at once.

        Raises:
            ValueError: it would pass backwards.
        """
        if by < timedelta():
            raise ValueError(f"the clock is {-by} past that already")
        (moved,) = struct.unpack("q", self._page[:8])
        self._page[:8] = struct.pack("q", moved + (by // _MICROSECOND) * 1000)

    def forward_to(self, moment: datetime) -> None:
        self.forward(moment - self.now())
