"""What MLflow is told of a bundle: a run of its own, to compare side by side with others."""

import json
from typing import TYPE_CHECKING

from churn.bundle.bundle import Bundle
from churn.bundle.checked import MODEL
from churn.bundle.manifest import Manifest
from churn.training.trained import figures
from steps.flat_inputs import with_flat_inputs

if TYPE_CHECKING:
    from mlflow.models import ModelSignature


_COLOURS = ("#0f6fde", "#0a8f6a", "#d59a2a", "#7c6bd6", "#c8452f")
"""Of the candidates in MLflow's charts, in their order: the same in every training, and never twice by chance."""


def record_bundle(bundle: Bundle, *, zenml_run: str) -> tuple[str, str]:
    """Log parameters, figures, data, reports and model of a bundle below the active MLflow run.

    Returns:
        The MLflow run and the URI of the logged model.
    """
    import mlflow

    manifest = bundle.manifest
    with mlflow.start_run(run_name=manifest.candidate, nested=True, tags=_tags(manifest, zenml_run)) as run:
        mlflow.log_params({**manifest.parameters, **_settings(manifest)})
        mlflow.log_metrics(
            {**figures(manifest), "selection_auc": manifest.selection_auc, "threshold": manifest.threshold}
        )
        for split, rows in manifest.rows.items():
            mlflow.log_metric(f"rows_{split}", rows)
        _log_inputs(manifest)
        mlflow.log_artifacts(str(bundle.path), "bundle")
        logged = mlflow.onnx.log_model(
            with_flat_inputs((bundle.path / MODEL).read_bytes()),
            name=manifest.candidate.replace(".", "-"),  # a module of another package has dots, which MLflow refuses
            onnx_execution_providers=["CPUExecutionProvider"],
            signature=_signature(manifest),
            # Named, because MLflow would otherwise start a process that imports everything to find out.
            pip_requirements=[f"{name}=={manifest.packages[name]}" for name in ("onnx", "onnxruntime", "numpy")],
        )
    return run.info.run_id, logged.model_uri


def _tags(manifest: Manifest, zenml_run: str) -> dict[str, str]:
    lineage, candidates = manifest.lineage, manifest.settings.candidates
    place = candidates.index(manifest.candidate) if manifest.candidate in candidates else len(candidates)
    return {
        "mlflow.runColor": _COLOURS[place % len(_COLOURS)],
        "candidate": manifest.candidate,
        "bundle_digest": manifest.digest,
        "git_commit": lineage.git_commit,
        "git_dirty": str(lineage.git_dirty).lower(),
        "lock_digest": lineage.lock_digest,
        "features_digest": lineage.features_digest,
        "zenml_run": zenml_run,
    }


def _settings(manifest: Manifest) -> dict[str, str | int | float]:
    cutoffs, settings = manifest.lineage.cutoffs, manifest.lineage.feature_settings
    return {
        "seed": manifest.settings.seed,
        "horizon_days": settings.horizon_days,
        "active_days": settings.active_days,
        "train_cutoffs": json.dumps([day.isoformat() for day in cutoffs.train]),
        "test_cutoff": cutoffs.test.isoformat(),
        "features": len(manifest.inputs),
    }


def _log_inputs(manifest: Manifest) -> None:
    """Name every table version the model was made from."""
    import mlflow
    from mlflow.data.delta_dataset_source import DeltaDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    tables = {**manifest.lineage.snapshot.tables, "customer_snapshots": manifest.lineage.features}
    for name, table in tables.items():
        source = DeltaDatasetSource(path=table.uri, delta_table_version=table.version)
        # MLflow keeps 36 characters of a digest; the class is concrete to Python, only its type hints say otherwise.
        dataset = MetaDataset(source, name=name, digest=table.digest[:36])  # type: ignore[abstract]
        mlflow.log_input(dataset, context=f"version {table.version}")


def _signature(manifest: Manifest) -> "ModelSignature":
    """Numbers are doubles, as the feature table has them: MLflow refuses those where floats are asked for."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    return ModelSignature(
        inputs=Schema(
            [ColSpec("double" if column.kind == "numeric" else "string", column.name) for column in manifest.inputs]
        ),
        outputs=Schema([ColSpec("float", manifest.output)]),
    )
