import shutil
import subprocess
from pathlib import Path

MODULES = """
import importlib, pkgutil
import seldon.serving
for module in pkgutil.iter_modules(seldon.serving.__path__, "seldon.serving."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def test_what_the_image_holds_is_all_that_the_server_imports(
    interpreter: Path, project_root: Path, tmp_path: Path
) -> None:
    # Given the files that the builder is sent and the Dockerfile copies, and no others
    sent = {line[1:] for line in (project_root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    steps = (project_root / "deploy" / "serving" / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    for words in (step.split()[1:] for step in steps if step.startswith("COPY ")):
        *sources, target = words
        for source in sources:
            assert source in sent
            origin, place = project_root / source, tmp_path / target
            if origin.is_dir():
                shutil.copytree(origin, place)
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(origin, place)

    # When every module of the server is imported with the locked libraries
    done = subprocess.run(
        [str(interpreter), "-c", MODULES], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    # Then none lacks anything
    assert done.returncode == 0, done.stderr
