from pathlib import Path

import pytest

from churn.landing.storage import StorageError, open_storage


@pytest.mark.parametrize("swapped", ["file", "folder"])
def test_a_symlink_is_not_followed_even_right_before_the_read(tmp_path: Path, swapped: str) -> None:
    storage = open_storage(str(tmp_path / "root"), {})
    storage.write("folder/file", b"mine")
    etag = storage.look("folder/file").etag
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_bytes(b"secret")
    at = tmp_path / "root" / "folder"
    at.rename(tmp_path / "aside")
    if swapped == "folder":
        at.symlink_to(tmp_path / "outside")
    else:
        at.mkdir()
        (at / "file").symlink_to(tmp_path / "outside" / "file")
    with pytest.raises(FileNotFoundError):
        storage.read("folder/file", etag)


def test_a_disk_that_fails_is_named_and_the_file_is_not(tmp_path: Path) -> None:
    storage = open_storage(f"file://{tmp_path}", {})
    storage.write("activity/jane/a.csv", b"x")
    with pytest.raises(Exception, match="File name too long") as caught:
        storage.read("activity/jane/" + "a" * 300, "any")
    assert f"{tmp_path}/activity:" in str(caught.value)
    assert "jane" not in str(caught.value)


def test_a_file_in_the_way_of_the_landing_zone_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(StorageError, match=r"taken/landing: no folder can be made there; mend landing\.url"):
        open_storage(str(tmp_path / "taken" / "landing"), {}).write("activity/a.csv", b"x")
