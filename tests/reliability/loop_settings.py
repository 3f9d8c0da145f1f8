"""Settings of the simulated business: what takes months elsewhere is known after two days."""

from pathlib import Path

import yaml

GOOD = ("logistic_regression", "hist_gradient_boosting")
WRONG = ("tests.reliability.wrong_labels",)
HORIZON_DAYS = 2

_SETTINGS: dict[str, object] = {
    "environment": "dev",
    "model_name": "churn-loop",
    "landing": {"url": ".churn/dev/landing"},
    "lake": {"url": ".churn/dev/lake"},
    "upkeep": {"vacuum_after": "P1D", "runs_after": "P2D"},
    "features": {
        "horizon_days": HORIZON_DAYS,
        "active_days": 7,
        "allowed_lateness_days": 0,
        "cutoff_step_days": 2,
        "max_train_cutoffs": 4,
        "min_history_days": 14,
    },
    "triggers": {"every_hours": None, "min_new_labels": None},
    "promotion": {"ask_before": ["production"]},
    "monitoring": {"on_loss": "act", "quality": {"days": 1}},
    "deployment": {"peek_seconds": 1, "smoke_seconds": 2},
    "rollout": {
        "latency_allowance": 0.05,
        "error_margin": 0.01,
        "decision_margin": 0.10,
        "score_margin": 0.04,
        "steps": [
            {"weight": 0, "customers": 100, "cap": 20_000, "hours": 1, "proof": False},
            {"weight": 50, "customers": 1_000, "cap": 20_000, "hours": 0.03, "proof": True},
        ],
    },
}
_TRAINING: dict[str, object] = {
    "logistic_regression": {"inverse_regularisation": [0.01, 0.1], "kept_features": [1.0]},
    "hist_gradient_boosting": {"trials": 1, "iterations": 60},
    "evaluation": {"bootstrap_rounds": 100, "importance_rows": 1_000, "importance_rounds": 1},
}


def write_settings(root: Path, candidates: tuple[str, ...] = GOOD) -> None:
    """Write `configs/dev.yaml` of a project."""
    (root / "configs").mkdir(exist_ok=True)
    document = _SETTINGS | {"training": _TRAINING | {"candidates": list(candidates)}}
    (root / "configs" / "dev.yaml").write_text(yaml.safe_dump(document))
