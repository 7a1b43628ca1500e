"""Sphinx: the site is built from the docstrings, offline, with warnings as errors."""

from sphinx.ext import autosummary

import skcluster

# A summary is a first sentence, and "paper Eq." does not end one.
autosummary.WELL_KNOWN_ABBREVIATIONS += ("Eq.", "Eqs.")

project = "skcluster"
author = "the skcluster developers"
copyright = author
version = release = skcluster.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
# Docstrings write `name` for whatever Python knows by that name.
default_role = "py:obj"

autodoc_member_order = "bysource"
autosummary_generate = True
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"skcluster {version}"
