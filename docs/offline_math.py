"""Formulas as MathML, which browsers draw themselves: the site needs no network to be read.

docutils, on which Sphinx stands, turns TeX into MathML; here Sphinx is told to use it.
"""

import re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def mathml(tex, *, as_block=False):
    """Return a formula in TeX as MathML; a formula of several lines is aligned."""
    if "&" in tex or r"\\" in tex:
        tex = rf"\begin{{aligned}}{tex}\end{{aligned}}"
    return tex2mathml(" ".join(tex.split()), as_block=as_block)


def inline(translator, node):
    """Write a formula within a line."""
    translator.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def display(translator, node):
    """Write formulas, each on lines of its own."""
    for tex in re.split(r"\n\s*\n", node.astext()):
        formula = mathml(tex, as_block=True)
        translator.body.append(f'<div class="math">{formula}</div>\n')
    raise nodes.SkipNode


def setup(app):
    """Let Sphinx write formulas by these."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
