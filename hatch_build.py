"""Adds kernels for a machine to the package: compiled where ziglang is installed, else left out.

A wheel is for this machine's platform, or the one that SYNNERGY_WHEEL names; an editable install
gets its kernels in place. Without them, WASM runs everything.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))
import build_kernels

INSIDE = "synnergy/tensor/kernels/build"


class KernelsHook(BuildHookInterface[Any]):
    """Hatch's hook `custom`."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        wanted = os.environ.get("SYNNERGY_WHEEL", "")
        if wanted == "any" or not build_kernels.have_compiler():
            return
        platform = build_kernels.this_platform()
        if wanted:
            platform = build_kernels.PLATFORMS[wanted]
        if platform is None:
            self.app.display_info("no native kernels are known for this machine: WASM runs")
        elif version == "editable":
            build_kernels.build_native(platform, build_kernels.KERNELS / "build")
        else:
            folder = Path(self.root) / "build" / "kernels" / platform.tag
            for path in build_kernels.build_native(platform, folder):
                build_data["force_include"][str(path)] = f"{INSIDE}/{path.name}"
                beside = path.with_name(path.name + ".sha256")
                build_data["force_include"][str(beside)] = f"{INSIDE}/{beside.name}"
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{platform.tag}"
