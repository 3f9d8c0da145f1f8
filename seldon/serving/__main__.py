"""`python -m seldon.serving`."""

import sys

from seldon.serving.main import main

sys.exit(main())
