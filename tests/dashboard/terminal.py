"""What a command says on a terminal, and a drawing of it."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.text import Text

_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)


def typed(
    words: Sequence[str], *, columns: int, folder: Path, environment: Mapping[str, str], stderr: Path | None = None
) -> tuple[int, str]:
    """Run a command whose standard output is a terminal of that width; returns its status and what it wrote.

    Args:
        words: the command.
        columns: width of the terminal.
        folder: where it is typed.
        environment: all of its variables.
        stderr: file for standard error; by default the terminal as well.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    whole = {**environment, "TERM": "xterm-256color", "COLUMNS": str(columns)}
    with (stderr or Path(os.devnull)).open("wb") as errors:
        process = subprocess.Popen(
            words, cwd=folder, env=whole, stdin=theirs, stdout=theirs, stderr=errors if stderr else theirs
        )
        os.close(theirs)
        said = b""
        with suppress(OSError):  # a terminal that everybody has left
            while part := os.read(ours, 65536):
                said += part
        os.close(ours)
        return process.wait(), said.decode().replace("\r\n", "\n")


def drawing(said: str, *, title: str, columns: int) -> str:
    """Draw as SVG what a terminal showed; the SVG fetches nothing."""
    from rich._export_format import CONSOLE_SVG_FORMAT

    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(said.strip("\n")))
    return console.export_svg(title=title, code_format=_FONTS.sub("", CONSOLE_SVG_FORMAT))
