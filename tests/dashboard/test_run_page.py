"""A training run as the dashboard shows it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.dashboard import views
from tests.trained import Trained

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.timeout(900)  # the one training counts to whichever test comes first


def test_the_graph_of_a_training_names_its_steps_and_opens_its_cards(
    trained: Trained, dashboard: str, browse: "Callable[[Callable[[Page], None]], None]"
) -> None:
    names: set[str] = set()
    cards: dict[str, str] = {}

    def look(page: "Page") -> None:
        views.open_run(page, dashboard, str(trained.run.id))
        views.widen_graph(page)
        names.update(views.nodes(page))
        cards["random_forest"] = views.open_visualization(page, "bundle_random_forest")

    browse(look)

    bundles = {f"bundle_{model.candidate}" for model in trained.models.models}
    assert {"build_features", "train", "register", "feature_set", "trained_models", *bundles} <= names
    assert "random forest" in cards["random_forest"].lower()
    assert "what it learned from" in cards["random_forest"].lower()
