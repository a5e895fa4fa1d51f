"""Sphinx: the pages of this folder as a site that needs no network, to build or to read."""

from importlib.metadata import version as installed

project = "doseplan"
author = "the doseplan authors"
release = version = installed("doseplan")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"doseplan {version}"
html_show_copyright = False
html_copy_source = False
html_last_updated_fmt = None

myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False

# pages that are read on the repository's site too link to files beside the documentation
suppress_warnings = ["myst.xref_missing"]
