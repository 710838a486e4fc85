"""What Sphinx is told; `website/build.py` lays out the sources around a copy of this file."""

import os
from typing import Any

project = "reznet_ws"
author = "The reznet_ws contributors"
extensions = ["myst_nb", "sphinx.ext.autodoc", "jupyterlite_sphinx"]
html_theme = "furo"
html_title = "reznet_ws"
html_show_copyright = False
# Saved outputs are shown; CI has run them.
nb_execution_mode = "off"
# Links into the repo that lead to no page of the site.
suppress_warnings = ["myst.xref_missing", "mystnb.unknown_mime_type", "toc.not_included"]
exclude_patterns = ["_build"]
autodoc_typehints = "none"  # signatures say them
autodoc_member_order = "bysource"
jupyterlite_dir = os.environ["REZNET_LITE"]
jupyterlite_contents = [f"{os.environ['REZNET_LITE_CONTENTS']}/notebooks"]
jupyterlite_bind_ipynb_suffix = False  # the pages show what was saved
jupyterlite_silence = True


def setup(app: Any) -> None:
    """The site asks no other: jupyterlite-sphinx would have every page fetch a font."""

    def keep_own(_app: Any, _page: str, _template: str, context: dict[str, Any], _tree: Any) -> None:
        context["css_files"] = [sheet for sheet in context["css_files"] if "//" not in str(sheet.filename)]

    app.connect("html-page-context", keep_own)
