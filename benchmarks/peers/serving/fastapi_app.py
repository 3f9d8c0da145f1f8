"""FastAPI around the pipeline, as its documentation would have it."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.peers.serving.pipeline import load, score

app = FastAPI()
pipeline = load()


class Data(BaseModel):
    """Rows of named columns."""

    names: list[str]
    ndarray: list[list[float | str | None]]


class Message(BaseModel):
    """What is posted."""

    data: Data


@app.get("/ready")
def ready() -> str:
    """Say that the process answers."""
    return "ready"


@app.post("/predict")
def predict(message: Message) -> dict[str, Any]:
    """Answer with the probabilities of each row."""
    given = message.data
    return {"data": {"ndarray": score(pipeline, given.names, given.ndarray).tolist()}}
