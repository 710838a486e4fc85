"""A place in a notebook for one's own captures: choose files, see the report.

In: files that were uploaded, or paths. Out: widgets; the findings for cells below.
Never: leaves an uploaded file on the disk; shows a name unescaped.
"""

from __future__ import annotations

import re
import tempfile
import threading
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from reznet_ws.audit.examine.findings import Findings
from reznet_ws.audit.show.command import audit
from reznet_ws.audit.show.report_files import report_png
from reznet_ws.audit.show.terminal import audit_text, problems_text
from reznet_ws.audit.show.verdict_text import verdict_lines
from reznet_ws.audit.show.wording import printable

_NOT_IN_NAMES = re.compile(r"[^\w.-]+")
_MAX_NAME_CHARACTERS = 80


class AuditPanel:
    """Audits what is uploaded, as soon as it is there. `findings` are those of the last audit."""

    def __init__(self) -> None:
        self.findings: Findings | None = None
        self.upload = widgets.FileUpload(multiple=True, description="Choose captures", layout={"width": "auto"})
        self.anonymous = widgets.Checkbox(description="names as hashes", indent=False, layout={"width": "auto"})
        self.users = widgets.BoundedIntText(1, min=1, max=10_000_000, description="users", layout={"width": "180px"})
        self.status = widgets.HTML()
        self.progress = widgets.FloatProgress(min=0, max=1, layout={"width": "220px", "visibility": "hidden"})
        self.result = widgets.VBox()
        controls = widgets.HBox(
            [self.upload, self.anonymous, self.users, self.progress, self.status], layout={"flex_flow": "row wrap"}
        )
        self.box = widgets.VBox([controls, self.result])
        self.upload.observe(lambda _: self._take_upload(), names="value")
        self._png: bytes | None = None
        # JupyterLab calls back from a thread that is not the one of the cells.
        self._lock = threading.Lock()

    def show(self, paths: Iterable[str | Path]) -> None:
        """Audit files that are on this machine, of any size."""
        with self._lock:
            self._audit(list(paths))

    def close(self) -> None:
        """Take the widgets away."""
        for widget in (self.box, *self.box.children, *self.box.children[0].children, *self.result.children):
            widget.close()

    def _take_upload(self) -> None:
        files: Sequence[Any] = self.upload.value
        if not files:
            return
        with self._lock, tempfile.TemporaryDirectory(prefix="reznet-audit-") as folder:
            paths = []
            for number, file in enumerate(files, start=1):
                path = Path(folder) / f"{number}-{_safe(file['name'])}"
                path.write_bytes(file["content"])
                paths.append(path)
            self._audit(paths)

    def _audit(self, paths: Sequence[str | Path]) -> None:
        self.status.value = ""
        self.progress.layout.visibility = "visible"
        users = self.users.value if self.users.value > 1 else None
        try:
            self.findings = audit(paths, users=users, anonymous=self.anonymous.value, progress=self._tell)
            self._show(self.findings)
        except Exception as error:
            # A callback's error would be seen by nobody.
            self.status.value = f"<b>{escape(f'{type(error).__name__}: {error}')}</b>"
            raise
        finally:
            self.progress.layout.visibility = "hidden"

    def _tell(self, stage: str, done: int, of: int | None) -> None:
        self.progress.value = done / of if of else 0
        said = escape(stage)
        if self.status.value != said:
            self.status.value = said

    def _show(self, findings: Findings) -> None:
        shown: list[Any] = []
        self._png = None
        self.status.value = ""
        if findings.totals.messages:
            first, *others = (escape(line) for line in verdict_lines(printable(findings)))
            paragraphs = "".join(f"<p>{line}</p>" for line in others)
            shown.append(widgets.HTML(f"<h3>{first}</h3>{paragraphs}"))
            self._png = report_png(findings)
            if self._png is not None:
                shown.append(widgets.Image(value=self._png, format="png", layout={"max_width": "100%"}))
            shown.append(widgets.HTML(f"<pre>{escape(audit_text(findings))}</pre>"))
        if findings.problems or not findings.totals.messages:
            shown.append(widgets.HTML(f"<pre>{escape(problems_text(findings.problems))}</pre>"))
        for old in self.result.children:
            old.close()
        self.result.children = shown

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        # What a saved notebook and GitHub show, where no kernel runs.
        said = "Choose captures" if self.findings is None else "\n".join(verdict_lines(printable(self.findings)))
        bundle = {**(self.box._repr_mimebundle_() or {}), "text/plain": said}
        return bundle if self._png is None else bundle | {"image/png": b64encode(self._png).decode()}


def _safe(name: str) -> str:
    """A file's name without what could lead elsewhere."""
    return _NOT_IN_NAMES.sub("_", name)[-_MAX_NAME_CHARACTERS:]
