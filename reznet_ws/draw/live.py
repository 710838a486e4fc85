"""Whether somebody looks at a page, so that a chart may answer the pointer there.

In: what asked the kernel to run the cell. Out: yes or no.
Never: imports IPython where nobody else did.
"""

from __future__ import annotations

import sys
from typing import Any


def is_live() -> bool:
    """Whether a page (JupyterLab, VS Code) asked for this cell, and not a tool that saves or tests notebooks.

    A page tells the kernel which of its cells it runs; nbconvert and nbval do not.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    asked: dict[str, Any] = getattr(shell, "get_parent", dict)()
    return "cellId" in asked.get("metadata", {})
