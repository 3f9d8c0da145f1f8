import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from zenml.client import Client
from zenml.utils.source_utils import set_custom_source_root


@pytest.fixture(scope="module")
def zenml(project_root: Path) -> Iterator[Client]:
    """A client of the tests' store that can import our flavors; stacks and components go with the module's tests."""
    set_custom_source_root(str(project_root))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ZenML imports for its store announces removals in Python 3.13
        client = Client()
        before = {one.id for one in (*client.list_stacks(size=1_000), *client.list_stack_components(size=1_000))}
    yield client
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ZenML counts what its database removed already
        for stack in client.list_stacks(size=1_000):
            if stack.id not in before:
                client.delete_stack(stack.id)
        for component in client.list_stack_components(size=1_000):
            if component.id not in before:
                client.delete_stack_component(component.id, component.type)
