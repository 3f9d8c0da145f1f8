import warnings
from pathlib import Path

import pytest
from zenml.client import Client
from zenml.utils.source_utils import set_custom_source_root


@pytest.fixture(scope="session")
def zenml(project_root: Path) -> Client:
    """A client of the tests' own store that can import our flavors."""
    set_custom_source_root(str(project_root))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ZenML imports for its store announces removals in Python 3.13
        client = Client()
        assert client.zen_store
    return client
