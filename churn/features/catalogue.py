"""The list of features, read from where dbt describes them: `models/marts/customer_snapshots.yml`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import polars as pl
import yaml

from churn.errors import ChurnError

TABLE = "customer_snapshots"
FeatureKind = Literal["numeric", "categorical"]


@dataclass(frozen=True)
class Feature:
    """One column a model may learn from; numeric is a Float64, categorical a String with null for unknown.

    Attributes:
        required: dbt tests that it is never null, so that a customer without it is a mistake of whoever asks.
    """

    name: str
    kind: FeatureKind
    description: str
    required: bool = False

    @property
    def dtype(self) -> pl.DataType:
        """Type of the column in the feature table."""
        return pl.Float64() if self.kind == "numeric" else pl.String()


@cache
def load_catalogue(dbt_dir: Path) -> tuple[Feature, ...]:
    """Read the features in the order in which the table has them.

    Raises:
        ChurnError: the file is missing, or describes a feature in another way than this.
    """
    path = dbt_dir / "models" / "marts" / f"{TABLE}.yml"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        columns = next(model for model in document["models"] if model["name"] == TABLE)["columns"]
        features = tuple(
            Feature(
                column["name"],
                column["config"]["meta"]["feature"],
                column["description"].strip(),
                required="not_null" in column.get("data_tests", ()),
            )
            for column in columns
            if "feature" in column.get("config", {}).get("meta", {})
        )
    except FileNotFoundError:
        raise ChurnError(f"{path}: no such file; point at the project's dbt folder") from None
    except (yaml.YAMLError, KeyError, TypeError, StopIteration) as error:
        raise ChurnError(
            f"{path}: cannot be read ({type(error).__name__}); give every feature a name, a description and "
            "config.meta.feature"
        ) from None
    faulty = [feature.name for feature in features if feature.kind not in get_args(FeatureKind)]
    if faulty:
        raise ChurnError(f"{path}: {', '.join(faulty)}: meta.feature must be numeric or categorical")
    return features
