"""The public interface of transforms: what derives namespaces from those of an example, before VW sees it.

A plugin is an installed package with an entry point in the group `vwserve`, or a single file in the folder `plugins:`.
It implements the hook of `hookspecs.py` and gives subclasses of `Transform`:

    from vwserve.transforms import Batch, Transform, hookimpl

`docs/plugins.md` has a complete example; `vwserve.testing.check_transform` is a battery of checks for any transform.
"""

from vwserve.transforms.artifact import write_artifact
from vwserve.transforms.batch import Batch, NumberReader
from vwserve.transforms.errors import TransformError
from vwserve.transforms.hookspecs import hookimpl
from vwserve.transforms.options import Namespace, Namespaces
from vwserve.transforms.transform import Artifact, Examples, LabelledBatch, Transform

__all__ = [
    "Artifact",
    "Batch",
    "Examples",
    "LabelledBatch",
    "Namespace",
    "Namespaces",
    "NumberReader",
    "Transform",
    "TransformError",
    "hookimpl",
    "write_artifact",
]
