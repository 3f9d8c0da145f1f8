"""For test modules that import steps: ZenML looks for sources, and imports its store, when a step is declared."""

import warnings
from pathlib import Path

ROOT = Path(__file__).parents[1]


def let_steps_be_imported() -> None:
    """Tell ZenML where sources are, which it cannot find without a main module, as under xdist."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ZenML imports for its store announces removals in Python 3.13
        import zenml.zen_stores.sql_zen_store
        from zenml.utils.source_utils import set_custom_source_root

        assert zenml.zen_stores.sql_zen_store
        set_custom_source_root(str(ROOT))
