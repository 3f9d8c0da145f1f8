"""The floor of any scoring: onnxruntime in one process, without a server; prints CPU ms by number of rows."""

import json
import sys
import time
from pathlib import Path

from seldon.serving.model import open_model

path, digest, *sizes = sys.argv[1:]
model = open_model(Path(path), digest)
golden = [row["inputs"] for row in json.loads((Path(path) / "manifest.json").read_text())["golden"]]
costs = {}
for size in map(int, sizes):
    numbers, texts = model.columns([golden[i % len(golden)] for i in range(size)])
    begun, rounds = time.process_time(), 0
    while time.process_time() - begun < 1:
        model.score(numbers, texts)
        rounds += 1
    costs[str(size)] = (time.process_time() - begun) / rounds * 1e3
print(json.dumps(costs))
