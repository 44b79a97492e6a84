"""From ONNX nodes to steps of the kernels, one file per family. Importing registers every one.

A node that isn't lowered is run by its reference declaration, between two runs of the kernels.
"""

from __future__ import annotations

import importlib
import pkgutil

for _module in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")
