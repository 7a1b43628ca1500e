"""The tree is in plain American English: no phrase of the style guide's left column."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("skcluster", "tests", "docs", "examples", "benchmarks", "experiments")
MADE = {"_build", "gallery", "generated"}
FILES = [*ROOT.glob("*.md")] + [
    path
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".pyi", ".rst", ".md")
    and not MADE & {*path.parts}
    and path != Path(__file__)
]

UNITS = (
    "cluster|clusters|photon|galaxy|pixel|side|row|column|cell|map|cube|band|channel|"
    "bin|batch|epoch|fold|member|core|second|tile|kernel|name|line|file|minute|run|step"
)
PHRASES = {
    # The distributive article: "one row a cluster", "cells a side", "keV a channel".
    rf"\b(?:one|two|\d+|ms|ns|keV|eV|counts?|values?|rows?|cells?|bins?|pixels?|labels?|"
    rf"numbers?|tables?|photons?|galaxies|cubes|images|members?|seconds?|MiB|bytes)"
    rf" an? (?:{UNITS})\b(?!['’]s|-)": "per",
    r"\bas of (?:`|:|the|a|in|:func)": "as in",
    r"\bhang(?:s|ing)? on\b": "depends on",
    r"\bat a stroke\b": "atomically",
    r"\bke(?:ep|pt|eps|eping) (?:their|its) word\b": "is calibrated",
    r"\bwhole\b": "atomic, complete, verified, all",
    r"(?<![._])\btexts\b": "strings",
    r"\bmakes? no array\b": "cannot be made into an array",
    r"(?<!here )\bis no (?:finite|number|binary|array|table|photon|file|map)\b": "not a",
    r"\bnamed_if_unfit|replaced_at_a_stroke|WITHOUT_A_SAY|_told_as_damage\b": "…",
    r"\bneighbours?\b|\bNeighbour": "neighbor",
    r"\b[Cc]entre[sd]?\b|\b[Cc]entring\b|\bmiscentr": "center",
    r"\b[Cc]olours?\b": "color",
    r"\b[Bb]ehaviour": "behavior",
    r"\b[Cc]atalogues?\b": "catalog",
    r"\b[Gg]rey\b": "gray",
    r"\b\w*(?:normal|standard|pixel|random|initial|organ|recogn|real|minim|maxim|"
    r"optim|summar|visual|synchron|character|vector|parametr|general|local)is"
    r"(?:e|es|ed|er|ing|ation)\b": "-ize",
    r"\bmodell(?:ed|ing)\b|\blabell(?:ed|ing)\b|\bcancell(?:ed|ing)\b": "one l",
}
# A parameter or attribute whose description starts with "Of".
STARTS_WITH_OF = re.compile(r"^ {8,12}Of (?:the|a|an|its|each|all|equally)\b", re.M)


def found_in(text):
    for phrase, better in PHRASES.items():
        for match in re.finditer(phrase, text):
            line = text.count("\n", 0, match.start()) + 1
            yield f"line {line}: {match[0]!r} -> {better}"
    for match in STARTS_WITH_OF.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        yield f"line {line}: {match[0].strip()!r} -> name the thing first"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_reader_reads_each_sentence_once(path):
    assert list(found_in(path.read_text(encoding="utf-8"))) == []


def test_this_test_sees_what_it_looks_for():
    bad = "One row a cluster, as of `x`; the whole centre is normalised at a stroke.\n"
    assert len(list(found_in(bad))) >= 6
    assert list(found_in("One row per cluster, as in `x`; a cluster a priori.\n")) == []
