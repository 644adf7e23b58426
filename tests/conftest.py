"""What all tests share: where the real data is, and how patient property tests are."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

IN_CI = os.environ.get("CI") == "true"
REPOSITORY = Path(__file__).resolve().parent.parent

if not IN_CI:  # there hypothesis has a profile of its own
    # How fast the machine is today is no property of the code.
    settings.register_profile("local", deadline=None)
    settings.load_profile("local")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of elec2.vw.gz, adult.vw.gz and criteo-tiny.vw.gz: $VWSERVE_DATA, else ../shared/data.

    Without it the test is skipped, but fails in CI: there, a test that did not run would pass unnoticed.
    """
    folder = Path(os.environ.get("VWSERVE_DATA") or REPOSITORY.parent / "shared" / "data")
    if folder.is_dir():
        return folder
    reason = f"needs real data: {folder} is not a folder; set VWSERVE_DATA"
    if IN_CI:
        pytest.fail(reason)
    pytest.skip(reason)
