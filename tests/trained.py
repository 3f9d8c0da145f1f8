"""A project whose lake holds real customers and whose model was trained once; for fixtures of several folders."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import polars as pl
import pytest
import yaml

from churn.landing.zone import LandingZone
from churn.settings import Stream
from churn.sources.cdnow import Cdnow
from churn.sources.replay import replay
from tests.world import World, world_in

if TYPE_CHECKING:
    from zenml.models import PipelineRunResponse

    from churn.bundle.bundle import Bundle
    from churn.training.trained import RegisteredModels, TrainedModel, TrainedModels

MODEL_NAME = "churn-dev"
COMMIT = "c0ffee" * 6 + "cafe"
PERSON = "Jürgen-Groß"
"""Stands in the id and the mail address of every customer."""
SECRET = "hvs.canary0123456789abcdefgh"
"""Is in the environment of everything that runs, as a token would be."""
MAY, JULY = datetime(1998, 6, 1, tzinfo=UTC), datetime(1998, 7, 1, tzinfo=UTC)
QUICK: dict[str, dict[str, object]] = {
    "features": {"active_days": 180},
    "training": {
        "logistic_regression": {"inverse_regularisation": [0.1], "kept_features": [1.0]},
        "random_forest": {"trees": 8, "search_trees": 2, "leaf_shares": [0.02], "column_shares": [0.25]},
        "hist_gradient_boosting": {"trials": 1, "iterations": 12},
        "evaluation": {"bootstrap_rounds": 20, "importance_rows": 100, "importance_rounds": 1},
        "reference_rows": 200,
        "quality": {"min_class_rows": 10},
    },
}


class EveryTwentieth(Cdnow):
    """A twentieth of CDNOW's customers, with names that must not come through."""

    def read(self, stream: Stream) -> Iterator[pl.DataFrame]:
        """Yield the purchases."""
        for frame in super().read(stream):
            some = frame.filter(pl.col("customer_id").cast(pl.Int64) % 20 == 0)
            customer = pl.concat_str(pl.lit(f"{PERSON}-"), "customer_id")
            yield some.with_columns(customer_id=customer, email=pl.concat_str(customer, pl.lit("@example.org")))


@dataclass(frozen=True)
class Trained:
    """The world, its settings file and the runs of the training pipeline."""

    world: World
    run: "PipelineRunResponse"

    @property
    def root(self) -> Path:
        """The project."""
        return self.world.root

    @property
    def models(self) -> "TrainedModels":
        """What the run trained."""
        return cast("TrainedModels", output(self.run, "train", "trained_models"))

    @property
    def registered(self) -> "RegisteredModels":
        """What the run registered."""
        return cast("RegisteredModels", output(self.run, "register", "registered_models"))


def output(run: "PipelineRunResponse", step: str, name: str) -> object:
    """Load what a step returned."""
    return run.steps[step].outputs[name][0].load()


def arrive(world: World, until: datetime, since: datetime | None = None) -> None:
    """Upload and ingest what CDNOW's customers bought in these days."""
    replay(EveryTwentieth(), LandingZone(world.settings.landing.url), per="day", since=since, until=until)
    world.ingest(until, backfill=since is None)


def configure(root: Path, model_name: str = MODEL_NAME, **changes: dict[str, object]) -> None:
    """Write the settings of the environment dev; `changes` replace whole settings of a section."""
    sections = {name: {**QUICK.get(name, {}), **changes.get(name, {})} for name in {*QUICK, *changes}}
    document = {
        "environment": "dev",
        "model_name": model_name,
        "landing": {"url": "landing"},
        "lake": {"url": "lake"},
        **sections,
    }
    (root / "configs").mkdir(exist_ok=True)
    (root / "configs" / "dev.yaml").write_text(yaml.safe_dump(document))


@contextmanager
def inside(root: Path) -> Iterator[None]:
    """Make `root` the project, on the stack dev, with code that says it is COMMIT and a secret in the environment."""
    from zenml.client import Client
    from zenml.utils.source_utils import set_custom_source_root

    from stacks.environment import CHECKOUT
    from stacks.register import register_stack

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ZenML and MLflow import announces removals
        set_custom_source_root(str(CHECKOUT))
        register_stack("dev")
        patch.setenv("CHURN_ROOT", str(root))
        patch.setenv("CHURN_GIT_COMMIT", COMMIT)
        patch.setenv("VAULT_TOKEN", SECRET)
        patch.setenv("ZENML_ACTIVE_STACK_ID", str(Client().get_stack("dev").id))
        yield


def train(snapshot: str | None = None) -> "PipelineRunResponse":
    """Run the pipeline."""
    from pipelines.training import train_churn_model

    run = train_churn_model(snapshot)
    assert run is not None
    return run


def register_again(
    trained: Trained, bundles: "Sequence[tuple[TrainedModel, Bundle]] | None" = None
) -> "RegisteredModels":
    """Register the models of the run once more, or other bundles in their place."""
    from zenml import pipeline, save_artifact
    from zenml.client import Client
    from zenml.enums import ExecutionMode

    from materializers.bundle import BundleMaterializer
    from materializers.trained_models import TrainedModelsMaterializer
    from steps.register import register

    models = trained.models
    if bundles is not None:
        replaced = [
            model.model_copy(
                update={
                    "digest": bundle.digest,
                    "artifact": str(save_artifact(bundle, "bundle_other", materializer=BundleMaterializer).id),
                }
            )
            for model, bundle in bundles
        ]
        models = models.model_copy(update={"models": tuple(replaced)})
    saved = save_artifact(models, "models_again", materializer=TrainedModelsMaterializer)

    @pipeline(enable_cache=False, execution_mode=ExecutionMode.FAIL_FAST)
    def register_only() -> None:
        register(Client().get_artifact_version(saved.id))

    run = register_only()
    assert run is not None
    return cast("RegisteredModels", output(run, "register", "registered_models"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """CDNOW until May 1998, and one training."""
    world = world_in(tmp_path_factory.mktemp("trained"))
    configure(world.root)
    arrive(world, MAY)
    with inside(world.root):
        return Trained(world, train())
