import pytest
from typer.testing import CliRunner

from cli.main import app


@pytest.mark.parametrize(
    ("url", "complaint"), [("ftp://host/x", "ftp:// is not supported"), ("", "names no place"), ("s3://", "names no")]
)
def test_a_landing_zone_must_be_on_a_storage_we_know(url: str, complaint: str) -> None:
    result = CliRunner().invoke(app, ["replay", "--landing", url, "--until", "1997-01-02"])

    said = " ".join(result.output.replace("│", " ").split())
    assert result.exit_code == 2
    assert complaint in said
    assert "s3:// or gs://" in said
