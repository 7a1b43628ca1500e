"""The way of a photon through skcluster, drawn as SVG: wide for a desk, tall for a phone.

    python docs/flow_diagram.py wide > flow.svg

conf.py writes both pictures when the site is built. Colors are those of the page around
them, light or dark, and each box leads to the reference of what it names.
"""

import sys
from dataclasses import dataclass
from html import escape

BOX_HEIGHT = 34
STYLE = """
  .flow-NAME text { font: 13px ui-sans-serif, system-ui, "Liberation Sans", sans-serif;
    fill: var(--color-foreground-primary, #1f2328); text-anchor: middle; }
  .flow-NAME a { text-decoration: none; }
  .flow-NAME .box { fill: var(--color-background-secondary, #f6f8fa);
    stroke: var(--color-foreground-border, #8c959f); }
  .flow-NAME .end { fill: var(--color-brand-primary, #1d5c8a); stroke: none; }
  .flow-NAME .end + text { fill: var(--color-background-primary, #fff); }
  .flow-NAME .what { fill: var(--color-foreground-muted, #59636e); font-size: 12px; }
  .flow-NAME .way { fill: none; stroke: var(--color-foreground-muted, #59636e);
    stroke-width: 1.3; marker-end: url(#flow-tip-NAME); }
  .flow-NAME .tip { fill: var(--color-foreground-muted, #59636e); }
  .flow-NAME a:hover .box { stroke: var(--color-brand-primary, #1d5c8a); stroke-width: 2; }
"""


@dataclass(frozen=True)
class Box:
    """A name in a rectangle about (x, y)."""

    name: str
    x: float
    y: float
    width: float = 132

    @property
    def left(self):
        return self.x - self.width / 2, self.y

    @property
    def right(self):
        return self.x + self.width / 2, self.y

    def svg(self):
        """Return the rectangle and its name, which leads to the reference."""
        kind = "box" if is_public(self.name) else "end"
        drawn = (
            f'<rect class="{kind}" x="{self.left[0]:g}" y="{self.y - BOX_HEIGHT / 2:g}" '
            f'width="{self.width:g}" height="{BOX_HEIGHT}" rx="6"/>'
            f'<text x="{self.x:g}" y="{self.y + 4.5:g}">{escape(self.name)}</text>'
        )
        if kind == "end":
            return drawn
        return f'<a href="generated/skcluster.{self.name}.html">{drawn}</a>'


def is_public(name):
    """Say whether a box holds a name of skcluster, and not words."""
    return name.isidentifier()


def way(*points):
    """Return an arrow along straight lines, which ends just before its last point."""
    *before, (x, y) = points
    (x_before, y_before) = before[-1]
    gap = 7
    x -= gap * ((x > x_before) - (x < x_before))
    y -= gap * ((y > y_before) - (y < y_before))
    path = " L ".join(f"{x:g} {y:g}" for x, y in [*before, (x, y)])
    return f'<path class="way" d="M {path}"/>'


def bent(start, x, end):
    """Return an arrow that goes level to x, then up or down, then level to its end."""
    return way(start, (x, start[1]), (x, end[1]), end)


def wide():
    """Rows of boxes: what happens to photons and galaxies, from left to right."""
    rows = (44, 126, 194, 262)
    first = [
        Box(name, 222, y)
        for name, y in zip(
            (
                "PhotonMapper",
                "PhaseSpaceKDE",
                "PhotonFeaturizer",
                "ProxyMeasurer",
            ),
            rows,
            strict=True,
        )
    ]
    last = [
        Box(name, 560, y, 160)
        for name, y in zip(
            (
                "XrayCNNRegressor",
                "JointCNNRegressor",
                "PhotonSetRegressor",
                "EvrardProxyRegressor",
            ),
            rows,
            strict=True,
        )
    ]
    sample = Box("ClusterSample", 64, 160, 116)
    trend, scale, members = (
        Box(name, 386, y, 140)
        for name, y in (
            ("RedshiftNormalizer", 44),
            ("LogScaler", 88),
            ("GalaxyFeaturizer", 194),
        )
    )
    mass, posterior, why = (
        Box(name, 748, y)
        for name, y in (
            ("log M500c ± σ", 126),
            ("predict_posterior", 58),
            ("SaliencyExplainer", 194),
        )
    )
    middle = BOX_HEIGHT / 2
    ways = [
        *(bent(sample.right, 138, box.left) for box in first),
        *(way(first[row].right, last[row].left) for row in (1, 3)),
        way(first[2].right, members.left),
        way(members.right, last[2].left),
        *(bent(box.right, 660, mass.left) for box in last),
        way(first[0].right, trend.left),
        way((386, 44 + middle), (386, 88 - middle)),
        *(bent(scale.right, 467, box.left) for box in last[:2]),
        way((748, 126 - middle), (748, 58 + middle)),
        way((748, 126 + middle), (748, 194 - middle)),
    ]
    words = [
        ("photons, galaxies", 64, 194),
        ("counts on the sky", 222, 18),
        ("galaxies in phase space", 222, 100),
        ("each photon by itself", 222, 168),
        ("counts, richness, velocities", 222, 236),
        ("redshift trend, log", 386, 18),
        ("and each galaxy", 386, 168),
        ("p(M), priors", 748, 32),
        ("which pixels, and why", 748, 228),
    ]
    boxes = [sample, *first, trend, scale, members, *last, mass, posterior, why]
    return picture("wide", 820, 290, boxes, ways, words)


def tall():
    """Stages one below the other, for narrow screens."""
    stages = [
        ("photons and galaxies of n clusters", ("ClusterSample",)),
        (
            "maps, cubes, features, proxies",
            (
                "PhotonMapper",
                "PhaseSpaceKDE",
                "PhotonFeaturizer",
                "GalaxyFeaturizer",
                "ProxyMeasurer",
            ),
        ),
        ("redshift trend and scale removed", ("RedshiftNormalizer", "LogScaler")),
        (
            "networks and power laws",
            (
                "XrayCNNRegressor",
                "JointCNNRegressor",
                "PhotonSetRegressor",
                "EvrardProxyRegressor",
            ),
        ),
        ("masses with errors", ("log M500c ± σ",)),
        ("p(M), and which pixels matter", ("predict_posterior", "SaliencyExplainer")),
    ]
    boxes, ways, words, y = [], [], [], 20
    for i, (what, names) in enumerate(stages):
        words.append((what, 180, y))
        top = y + 10
        for j, name in enumerate(names):
            column, row = j % 2, j // 2
            is_alone = j == len(names) - 1 and column == 0
            x = 180 if is_alone else 92 + 176 * column
            boxes.append(Box(name, x, top + 17 + 42 * row, 166))
        y = top + 34 + 42 * ((len(names) - 1) // 2)
        if i < len(stages) - 1:
            ways.append(way((180, y + 6), (180, y + 27)))
        y += 44
    return picture("tall", 360, y - 30, boxes, ways, words)


def picture(name, width, height, boxes, ways, words):
    """Return the SVG of boxes, arrows and words."""
    said = "".join(
        f'<text class="what" x="{x:g}" y="{y:g}">{escape(text)}</text>'
        for text, x, y in words
    )
    return (
        f'<svg class="flow flow-{name}" xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {width:g} {height:g}" role="img" '
        'aria-label="From photons and galaxies to masses, with their errors and reasons">'
        f"<style>{STYLE.replace('NAME', name)}</style>"
        f'<defs><marker id="flow-tip-{name}" viewBox="0 0 8 8" refX="2" refY="4" '
        'markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="tip" d="M 0 0.5 L 7.5 4 L 0 7.5 z"/></marker></defs>\n'
        + "\n".join([*ways, *(box.svg() for box in boxes), said])
        + "\n</svg>\n"
    )


PICTURES = {"wide": wide, "tall": tall}

if __name__ == "__main__":
    print(PICTURES[sys.argv[1]](), end="")
