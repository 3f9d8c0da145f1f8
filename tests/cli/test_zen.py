import subprocess
import sys
from pathlib import Path

LISTED_TWICE = """
import subprocess, sys
from pathlib import Path

from cli.zen import prepare_zenml

prepare_zenml(Path(sys.argv[1]))
prepare_zenml(Path(sys.argv[1]))

from zenml.environment import get_run_environment_dict

began, listed = [], subprocess.check_output
subprocess.check_output = lambda command, **options: began.append(command) or listed(command, **options)
first, second = get_run_environment_dict(), get_run_environment_dict()
assert first == second
assert any(line.startswith("zenml==") for line in first["python_packages"].splitlines())
print(sum("freeze" in command for command in began))
"""

ENDING = """
import atexit, gc, sys
from pathlib import Path

from cli.zen import prepare_zenml

atexit.register(lambda: print(gc.get_freeze_count() > 0))
prepare_zenml(Path(sys.argv[1]))
import zenml.client

print(gc.get_freeze_count() > 0)
"""


def printed(program: str, folder: Path) -> list[str]:
    ended = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


def test_a_process_lists_the_installed_packages_once(tmp_path: Path) -> None:
    assert printed(LISTED_TWICE, tmp_path) == ["1"]


def test_what_a_process_holds_is_not_taken_apart_when_it_ends(tmp_path: Path) -> None:
    assert printed(ENDING, tmp_path) == ["False", "True"]
