"""Saves the pipeline as a model that `mlflow models serve` serves; the folder is the argument."""

import sys

import mlflow.sklearn

from benchmarks.peers.serving.pipeline import load

mlflow.sklearn.save_model(
    load(), sys.argv[1], pyfunc_predict_fn="predict_proba", serialization_format="cloudpickle", pip_requirements=[]
)
