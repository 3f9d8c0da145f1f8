"""Finding a source by its name."""

import os
from collections.abc import Callable
from pathlib import Path

from churn.sources.cdnow import Cdnow
from churn.sources.complete_journey import CompleteJourney
from churn.sources.mapped import Mapped
from churn.sources.online_retail import OnlineRetail
from churn.sources.source import Source, SourceError


def open_source(name: str, path: Path | None = None) -> Source:
    """Open `cdnow`, `online_retail`, `complete_journey`, or `mapped` with the path of its YAML.

    Args:
        name: the source.
        path: where its data lie; without one, `cdnow` comes from the installed `lifetimes` wheel and the others from
            the folder named by CHURN_DATA.

    Raises:
        SourceError: no source has that name, or its files are missing.
    """
    known: dict[str, Callable[[], Source]] = {
        "cdnow": lambda: Cdnow(path),
        "online_retail": lambda: OnlineRetail(path or _data(name) / "online_retail" / "by-day.tar.gz"),
        "complete_journey": lambda: CompleteJourney(path or _data(name) / "complete_journey"),
        "mapped": lambda: Mapped(_mapping(path)),
    }
    if name not in known:
        raise SourceError(f"no source {name}; known sources: {', '.join(known)}")
    return known[name]()


def _data(name: str) -> Path:
    folder = os.environ.get("CHURN_DATA")
    if not folder:
        raise SourceError(
            f"{name}: set CHURN_DATA to the folder that holds {name}/ (make demo: DATA=FOLDER), "
            "or pass the path of the set"
        )
    return Path(folder)


def _mapping(path: Path | None) -> Path:
    if path is None:
        raise SourceError(
            "mapped: pass the path of the mapping (make demo: DATA=FILE); start from configs/sources/example.yaml"
        )
    return path
