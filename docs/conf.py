"""Sphinx: the pages of this folder as a site that needs no network, to build or to read."""

from importlib.metadata import version as installed

from doseplan.cli.tell import prepare_kernels

# notebooks share the compiled kernels of the command line
prepare_kernels()

project = "doseplan"
author = "the doseplan authors"
release = version = installed("doseplan")
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["notebooks.css"]
html_title = f"doseplan {version}"
html_show_copyright = False
html_copy_source = False
html_last_updated_fmt = None

myst_heading_anchors = 3

# notebooks are stored without results: every build runs them, and an error in one fails it
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_merge_streams = True

autodoc_typehints = "description"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_rtype = False

# pages that are read on the repository's site too link to files beside the documentation
suppress_warnings = ["myst.xref_missing"]
