"""A rollout in a process of its own, which a test can kill: prints a line for each stage."""

import sys
import time
from pathlib import Path

from seldon.rollout.outcome import Progress
from tests.seldon.rollout.conftest import Scene


def main(root: Path, version: str) -> int:
    scene = Scene(root)

    def say(progress: Progress) -> None:
        print(progress.stage, flush=True)

    def enter() -> None:
        print("entering", flush=True)
        time.sleep(60)

    rollout = scene.rollout(scene.world.server(version), do=say)
    with scene.deployment.claimed():
        rollout.run()
        rollout.finish(enter)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
