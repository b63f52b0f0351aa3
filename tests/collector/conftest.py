"""What tests of the collector share."""

from collections.abc import Iterator

import pytest

from tests.support.upstream import Upstream, running_upstream


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A local server that plays OpenRouter and models.dev."""
    with running_upstream() as server:
        yield server
