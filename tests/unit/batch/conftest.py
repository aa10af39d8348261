"""What tests of batches in this process share."""

import counting
import pytest


@pytest.fixture
def calls():
    """How often stages were called, from nothing."""
    counting.CALLS.clear()
    counting.FAILING.clear()
    yield counting.CALLS
    counting.FAILING.clear()
