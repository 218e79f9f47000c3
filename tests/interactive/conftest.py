"""What the tests of live controls share: a kernel, which a page would lack."""

import pytest


@pytest.fixture(autouse=True)
def live(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the controls live, as in a notebook."""
    monkeypatch.delenv("VAELIB_STATIC", raising=False)
