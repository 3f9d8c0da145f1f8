"""Making a recorded model again, and saying whether it is the same to the bit."""

import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from churn.bundle.checked import MODEL
from churn.bundle.manifest import Manifest
from churn.errors import ChurnError
from churn.features.build import build_features
from churn.frozen import Frozen
from churn.training.experiment import run_experiment

Part = Literal["features", "model.onnx", "predictions"]


class CannotReproduce(ChurnError):
    """Program, packages or data are not those of the record."""


class Compared(Frozen):
    """One digest, as it was recorded and as it came out."""

    part: Part
    recorded: str
    rebuilt: str

    @property
    def equal(self) -> bool:
        """Whether both are the same to the bit."""
        return self.recorded == self.rebuilt


class Reproduction(Frozen):
    """A model made again."""

    candidate: str
    parts: tuple[Compared, ...]

    @property
    def equal(self) -> bool:
        """Whether every part is the same to the bit."""
        return all(part.equal for part in self.parts)


def require_same_program(manifest: Manifest, *, commit: str, dirty: bool, lock_digest: str) -> None:
    """Refuse to make a model again with another program than the one that made it.

    Raises:
        CannotReproduce: names what differs and how to get it.
    """
    lineage = manifest.lineage
    if lineage.git_dirty:
        raise CannotReproduce(
            f"the model was trained from a working tree with changes on top of commit {lineage.git_commit[:12]} that "
            "no commit names; --allow-different tries with the present code"
        )
    if dirty or commit != lineage.git_commit:
        present = f"{commit[:12]}{' with changes' if dirty else ''}"
        raise CannotReproduce(
            f"the model was trained with commit {lineage.git_commit[:12]} and here is {present}; "
            f"check it out (git worktree add ../then {lineage.git_commit[:12]}), or add --allow-different"
        )
    if lock_digest != lineage.lock_digest:
        raise CannotReproduce(
            "the locked requirements are not those the model was trained with; install those of its commit, "
            "or add --allow-different"
        )


def reproduce(
    manifests: Sequence[Manifest], *, dbt_dir: Path, work_dir: Path, clock: Callable[[], datetime]
) -> tuple[Reproduction, ...]:
    """Build features and models again from the recorded snapshot, settings and seed, in a folder of its own.

    Nothing that earlier builds left in the lake is used, and nothing is written there.

    Args:
        manifests: the records of one or more candidates of one run, which share everything but the candidate.
        dbt_dir: the dbt project.
        work_dir: folder for temporary files.
        clock: the time now, in UTC.

    Raises:
        SnapshotError: a recorded table version is gone or was altered.
        CannotReproduce: the records are not of one run.
        ChurnError: as in the training itself.
    """
    recorded, settings = manifests[0].lineage, manifests[0].settings
    if any(manifest.lineage != recorded or manifest.settings != settings for manifest in manifests):
        raise CannotReproduce("these models were not made from the same data and settings; make them again one by one")
    candidates = tuple(manifest.candidate for manifest in manifests)
    work_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="reproduce-", dir=work_dir) as folder:
        features = build_features(
            recorded.snapshot,
            recorded.feature_settings,
            lake_url=f"{folder}/lake",
            dbt_dir=dbt_dir,
            work_dir=Path(folder) / "work",
            clock=clock,
        )
        experiment = run_experiment(
            features,
            settings.model_copy(update={"candidates": candidates}),
            dbt_dir=dbt_dir,
            lineage=recorded,
            out=Path(folder) / "bundles",
        )
    return tuple(
        _compare(manifest, features.digest, bundle.manifest)
        for manifest, bundle in zip(manifests, experiment.bundles, strict=True)
    )


def _compare(recorded: Manifest, features_digest: str, rebuilt: Manifest) -> Reproduction:
    return Reproduction(
        candidate=recorded.candidate,
        parts=(
            Compared(part="features", recorded=recorded.lineage.features_digest, rebuilt=features_digest),
            Compared(part=MODEL, recorded=recorded.files[MODEL], rebuilt=rebuilt.files[MODEL]),
            Compared(part="predictions", recorded=recorded.predictions_digest, rebuilt=rebuilt.predictions_digest),
        ),
    )
