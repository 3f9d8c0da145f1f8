import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from churn.bundle.bundle import Bundle
from churn.features.catalogue import load_catalogue
from churn.online.publish import publish_rows
from seldon.serving.options import _parser
from tests.seldon.serving.cases import BAD, PREDICT
from tests.seldon.serving.conftest import Serve, Server
from tests.seldon.serving.published import DAY, customers


def block(page: Path, kind: str, number: int = 0) -> str:
    return str(re.findall(rf"```{kind}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)[number])


def test_the_curl_lines_of_the_readme_are_answered(project_root: Path, server: Server) -> None:
    shell = block(project_root / "README.md", "sh").replace("\\\n", " ")
    commands = ["curl" + rest for rest in shell.split("curl")[1:]]

    for command in commands:
        words = shlex.split(command.replace("127.0.0.1:9000", f"127.0.0.1:{server.port}"))
        answer = subprocess.run([*words, "-w", " %{http_code}"], capture_output=True, text=True, check=True).stdout
        assert answer.endswith(" 200"), answer

    assert len(commands) == 3


def test_the_examples_of_the_page_are_answered_and_name_all_that_is_required(
    project_root: Path, server: Server
) -> None:
    catalogue = {feature.name: feature for feature in load_catalogue(project_root / "dbt")}
    required = {name for name, feature in catalogue.items() if feature.required}
    lines = block(project_root / "docs" / "serving.md", "json").splitlines()

    for line in lines:
        message = json.loads(line)
        [row] = message.get("jsonData") or [message["data"]["names"]]
        assert required <= set(row) <= set(catalogue)
        assert server.ask(PREDICT, message).status == 200

    assert len(lines) == 3
    assert all(f"`{name}`" in (project_root / "docs" / "serving.md").read_text() for name in required)


def test_the_example_of_customers_is_answered(project_root: Path, bundle: Bundle, serve: Serve, tmp_path: Path) -> None:
    page = project_root / "docs" / "serving.md"
    [shell] = [block(page, "sh", n) for n in range(3) if "curl" in block(page, "sh", n)]
    rows = customers(bundle)
    publish_rows(rows, bundle.manifest.catalogue, tmp_path, version=41, digest="ab" * 32, day=DAY)
    knowing = serve("--customers", str(tmp_path))

    words = shlex.split(shell.replace("\\\n", " ").replace("127.0.0.1:9000", f"127.0.0.1:{knowing.port}"))
    answer = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)

    assert answer["meta"]["tags"]["snapshot"]["version"] == 41


def test_every_option_and_every_reason_is_documented(project_root: Path) -> None:
    page = (project_root / "docs" / "serving.md").read_text(encoding="utf-8")
    options = re.findall(r"--[a-z-]+", _parser({}).format_help())

    assert [option for option in set(options) - {"--help"} if f"`{option}`" not in page] == []
    assert {str(case.status) for case in BAD} <= set(re.findall(r"\b[45]\d\d\b", page))


@pytest.mark.parametrize("path", ["/seldon.json", "/docs"])
def test_every_path_of_the_document_exists(server: Server, path: str) -> None:
    document = server.ask("/seldon.json").json

    assert server.ask(path).status == 200
    for url, methods in document["paths"].items():
        for method in methods:
            assert server.ask(url, {} if method == "post" else None).status in (200, 400)
