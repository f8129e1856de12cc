"""What holds for all tests."""

import os

from hypothesis import settings

# Tests assert correctness, never time. On a server the examples are the same each time, so that a failure can be
# repeated; elsewhere hypothesis looks for new ones.
settings.register_profile("project", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("project")
