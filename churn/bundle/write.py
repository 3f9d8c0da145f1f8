"""From a trained candidate to a bundle: convert, compare, describe, and put in place in one step."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import polars.selectors as cs

from churn.bundle.bundle import Bundle, inputs_of, open_bundle, run
from churn.bundle.card import render_card
from churn.bundle.checked import CARD, MANIFEST, MODEL, REFERENCE, TRANSFORMED, open_session, sha256
from churn.bundle.convert import to_onnx
from churn.bundle.errors import BundleInvalid, BundleRefused
from churn.bundle.manifest import GoldenRow, InputColumn, Lineage, Manifest, RunIds
from churn.bundle.parity import adversarial_rows, check_parity
from churn.bundle.probability import OUTPUT
from churn.bundle.transformed import transformed_sample
from churn.evaluation.importance import permutation_importance
from churn.evaluation.metrics import Floats
from churn.evaluation.report import EvaluationReport
from churn.features.catalogue import Feature
from churn.training.frames import LABEL, MISSING, SplitFrames, labels_of
from churn.training.settings import TrainingSettings
from churn.training.train import TrainedCandidate

_PACKAGES = ("numpy", "onnx", "onnxruntime", "scikit-learn", "scipy", "skl2onnx")


def write_bundle(
    path: Path,
    candidate: TrainedCandidate,
    frames: SplitFrames,
    report: EvaluationReport,
    settings: TrainingSettings,
    lineage: Lineage,
    ids: RunIds | None = None,
) -> Bundle:
    """Write a candidate as a bundle and open it again.

    Equal candidates, frames, settings and lineage give equal bytes, except for `ids`. The folder appears whole or not
    at all; one that is there already and holds the same model is left as it is.

    Args:
        path: the folder to make.
        candidate: what is written.
        frames: what it was trained and judged on.
        report: holds the candidate among its models.
        settings: what it was trained with.
        lineage: where the data and the program came from.
        ids: who made it and when.

    Raises:
        BundleRefused: the ONNX model does not answer like the fitted pipeline; nothing is written.
        BundleInvalid: `path` holds something else already.
    """

    def served(frame: pl.DataFrame) -> Floats:
        return run(session, OUTPUT, inputs_of(frame, candidate.catalogue))

    hostile = adversarial_rows(frames.train, candidate.catalogue, settings.seed)
    try:
        model = to_onnx(candidate.pipeline, candidate.catalogue)
        session = open_session(model)
        parity = check_parity(
            candidate.score,
            served,
            [*frames.named, ("adversarial rows", hostile)],
            candidate.threshold,
            settings.parity_tolerance,
        )
    except BundleRefused as refused:
        raise BundleRefused(f"{candidate.name}: {refused}") from refused
    reference = _reference(frames.train, candidate.catalogue, settings)
    reference = reference.with_columns(pl.Series(OUTPUT, served(reference), dtype=pl.Float32))
    judged = report.models[candidate.name]
    draft = Manifest(
        candidate=candidate.name,
        inputs=tuple(
            InputColumn(name=f.name, kind=f.kind, description=f.description, required=f.required)
            for f in candidate.catalogue
        ),
        output=OUTPUT,
        missing_category=MISSING,
        threshold=candidate.threshold,
        parameters=candidate.parameters,
        selection_auc=candidate.selection_auc,
        calibration_auc=candidate.calibration_auc,
        metrics=judged.metrics,
        over_recency=judged.over_recency,
        over_incumbent=judged.over_incumbent,
        recency=report.recency,
        incumbent=report.incumbent,
        base_rate=report.base_rate,
        rows={name: frame.height for name, frame in frames.named},
        importance=permutation_importance(
            lambda columns: run(session, OUTPUT, columns),
            inputs_of(frames.test, candidate.catalogue),
            labels_of(frames.test),
            rows=settings.evaluation.importance_rows,
            rounds=settings.evaluation.importance_rounds,
            seed=settings.seed,
        ),
        parity=parity,
        predictions_digest=sha256(served(frames.test).astype(np.float32).tobytes()),
        golden=_golden(reference, candidate.catalogue, settings.golden_rows),
        settings=settings,
        lineage=lineage,
        packages={name: version(name) for name in _PACKAGES},
        files={},
    )
    contents = {
        MODEL: model,
        REFERENCE: _parquet(reference),
        TRANSFORMED: _parquet(
            transformed_sample(candidate.pipeline, candidate.catalogue, reference, settings.transformed_rows)
        ),
        CARD: render_card(draft, report, reference).encode(),
    }
    manifest = draft.model_copy(update={"files": {name: sha256(content) for name, content in contents.items()}})
    manifest = manifest.model_copy(update={"digest": manifest.computed_digest(), "run": ids})
    _put(path, {**contents, MANIFEST: manifest.model_dump_json(indent=1).encode()}, manifest.digest)
    return open_bundle(path, manifest.digest)


def _reference(train: pl.DataFrame, catalogue: Sequence[Feature], settings: TrainingSettings) -> pl.DataFrame:
    """Return a seeded sample of the training rows, without anything that says whose they are."""
    columns = [feature.name for feature in catalogue]
    chosen = np.random.default_rng(settings.seed).permutation(train.height)[: settings.reference_rows]
    sample = train[np.sort(chosen)].select(
        *(pl.col(feature.name).cast(feature.dtype) for feature in catalogue), pl.col(LABEL).cast(pl.Boolean)
    )
    # In the order of their values: the order of the rows would still tell customers apart.
    return sample.sort([*columns, LABEL], nulls_last=True)


def _golden(reference: pl.DataFrame, catalogue: Sequence[Feature], rows: int) -> tuple[GoldenRow, ...]:
    """Return rows across the whole range of scores, infinities aside: JSON has none."""
    columns = [feature.name for feature in catalogue]
    finite = reference.filter(pl.all_horizontal(cs.float().is_finite().fill_null(value=True)))
    ranked = finite.sort(OUTPUT, maintain_order=True)
    chosen = ranked[np.unique(np.linspace(0, ranked.height - 1, min(rows, ranked.height)).astype(int))]
    return tuple(
        GoldenRow(inputs=inputs, score=score)
        for inputs, score in zip(chosen.select(columns).iter_rows(named=True), chosen[OUTPUT], strict=True)
    )


def _parquet(frame: pl.DataFrame) -> bytes:
    buffer = BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _put(path: Path, contents: dict[str, bytes], digest: str) -> None:
    """Make the folder under another name beside it and move it into place."""
    if path.exists():
        try:
            same = open_bundle(path).digest == digest
        except BundleInvalid:
            same = False
        if same:
            return
        raise BundleInvalid(f"{path}: exists and holds something else; choose another folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        for name, content in contents.items():
            with (draft / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        draft.chmod(0o755)
        draft.rename(path)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
