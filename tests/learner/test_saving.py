"""A model file is whole or not there, and a disk that is full costs neither the old one nor the disk's last bytes."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from vwserve.errors import ModelError
from vwserve.learner import Learner


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    learner = Learner("-b 10")
    learner.answer(b"1 |f a\n")
    file = tmp_path / "m.vw"
    learner.save(file)
    before = file.read_bytes()
    learner.answer(b"".join(b"1 |f x%d\n" % number for number in range(1000)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before), hard))  # the system takes no byte more of any file
    try:
        with pytest.raises(ModelError, match=rf"cannot write the model to {file}: .*Failed to write"):
            learner.save(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == [file]
    assert file.read_bytes() == before
    learner.save(file)
    assert file.stat().st_size > len(before)
    learner.close()
