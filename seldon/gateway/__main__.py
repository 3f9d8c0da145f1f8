"""`python -m seldon.gateway FOLDER`: supervise one deployment until SIGTERM or SIGINT."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from churn.errors import ChurnError
from churn.log import configure_logging
from seldon.gateway.folder import DeploymentFolder
from seldon.gateway.settings import default_server
from seldon.gateway.supervisor import Supervisor

_CHECKOUT = Path(__file__).parents[2]


def main(arguments: list[str]) -> int:
    """Supervise the deployment in the one folder named; return 0 after a clean end, 1 on an error, 2 on wrong use."""
    if len(arguments) != 1:
        print("usage: python -m seldon.gateway FOLDER", file=sys.stderr)
        return 2
    configure_logging(json=True)
    folder = DeploymentFolder(Path(arguments[0]).resolve())
    try:
        folder.prepare()
        settings = folder.settings()
        command = settings.server or default_server(_CHECKOUT, sys.executable)
        environ = os.environ | {"PYTHONPATH": str(_CHECKOUT), "PYTHONUNBUFFERED": "1"}
        with folder.supervised():
            asyncio.run(_supervise(Supervisor(folder, settings, command, environ, random.Random())))
    except ChurnError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


async def _supervise(supervisor: Supervisor) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await supervisor.run(stop)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
