"""A bundle from an object store, for a server that finds none beside it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from churn.bundle.checked import FILES, MANIFEST
from churn.bundle.errors import BundleInvalid
from churn.errors import ChurnError


class BundleUnreachable(ChurnError):
    """The store that holds the bundle does not give it; another attempt may help."""


@contextmanager
def bundle_folder(place: str) -> Iterator[Path]:
    """Return the folder of a bundle; one named by a URL is copied, and gone after the body.

    Nothing is trusted here: whoever opens the folder checks each file.

    Raises:
        BundleInvalid: a file is not there.
        BundleUnreachable: the store does not answer, or not to this server.
    """
    if "://" not in place:
        yield Path(place)
        return
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        for name in (*FILES, MANIFEST):
            Path(folder, name).write_bytes(_fetched(f"{place.rstrip('/')}/{name}"))
        yield Path(folder)


def _fetched(url: str) -> bytes:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        return bytes(filesystem.cat_file(path))
    except FileNotFoundError:
        raise BundleInvalid(f"{url}: missing; restore the bundle from the store") from None
    except Exception as error:  # each kind of store has its own, and none may end in a traceback
        raise BundleUnreachable(
            f"{url}: cannot be read ({type(error).__name__}); check the store's address and this server's credentials"
        ) from None
