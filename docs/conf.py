"""Sphinx: the site is built from the docstrings, offline, with warnings as errors."""

import sys
from pathlib import Path

from sphinx.ext import autosummary
from sphinx_gallery.sorting import ExplicitOrder

import skcluster

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from flow_diagram import PICTURES  # noqa: E402
from result_tables import expanded, files_of_results  # noqa: E402

# A summary is a first sentence, and "paper Eq." does not end one.
autosummary.WELL_KNOWN_ABBREVIATIONS += ("Eq.", "Eqs.")

project = "skcluster"
author = "the skcluster developers"
copyright = author
version = release = skcluster.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "offline_math",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates"]
templates_path = ["_templates"]
# Docstrings write `name` for whatever Python knows by that name.
default_role = "py:obj"

autodoc_member_order = "bysource"
autosummary_generate = True
numpydoc_show_class_members = False

# The order in which photons travel, and then the questions of whoever has masses.
GALLERY = (
    "event_file",
    "shorter_exposure",
    "wrong_cosmology",
    "galaxies",
    "how_many_clusters",
    "random_split",
    "which_estimator",
    "calibrated_posterior",
    "core",
)
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": ExplicitOrder([f"{name}.py" for name in GALLERY]),
    "abort_on_example_error": True,
    "parallel": True,  # as many processes as -j says
    "capture_repr": (),
    "min_reported_time": 0,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "write_computation_times": False,
    "remove_config_comments": True,
    "matplotlib_animations": False,
}

html_math_renderer = "mathml"

html_theme = "furo"
html_title = f"skcluster {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#1d5c8a",
        "color-brand-content": "#1d5c8a",
    },
    "dark_css_variables": {
        "color-brand-primary": "#7fb6e0",
        "color-brand-content": "#7fb6e0",
    },
}


def draw_flow(app):
    """Draw the diagrams of the front page where it includes them."""
    folder = HERE / "generated"
    folder.mkdir(exist_ok=True)
    for name, picture in PICTURES.items():
        (folder / f"flow-{name}.svg").write_text(picture(), encoding="utf-8")


def fill_in_results(app, page, source):
    """Replace ``.. result-table::`` by the table, and facts by their values."""
    filled = expanded(source[0])
    if filled != source[0]:
        for path in files_of_results():
            app.env.note_dependency(str(path))
    source[0] = filled


def setup(app):
    app.connect("builder-inited", draw_flow)
    app.connect("source-read", fill_in_results)
