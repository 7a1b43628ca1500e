"""Read files as astropy Tables: CSV of any dialect, ECSV, FITS, Parquet, VOTable."""

import csv
import io
import math
import os
import re
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from ..printable import no_file, printable
from ..sample.plain_arrays import check_names_once, from_arrow
from .file_errors import parse_errors_name_file
from .fits_files import is_chosen, null_of, opened_fits
from .limits import check_unpacked, unpacked_content

TEXT_COLUMNS = ("name", "photons", "galaxies")
"""Columns that stay strings: a name such as 0012 is not a number."""

COMPRESSED = (".gz", ".bz2", ".xz")
DELIMITERS = (",", ";", "\t", "|")
BYTES_PER_LETTER = 4
DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+([eE][+-]?\d+)?\s*")
INTEGER = re.compile(r"\s*[+-]?\d+\s*")
ARRAY_SIZE = re.compile(rb"""arraysize\s*=\s*["'](\d{1,18}(?:x\d{1,18})*)["']""")
BYTES_PER_NUMBER = 8
PARQUET_BYTES = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4}
PARQUET_BYTES |= {"DOUBLE": 8}


def read_table_file(source, *, strings=(), hdu=None):
    """Read a table from a file, in the format given by the suffix of its name.

    Parameters
    ----------
    source : str, bytes or path-like
    strings : iterable of str, default=()
        More columns that stay strings, besides `TEXT_COLUMNS`.
    hdu : int or str, default=None
        Number or name of the table in a FITS file, if there are several.

    Returns
    -------
    table : astropy.table.Table
    """
    path = Path(os.fsdecode(source))
    if not path.is_file():
        raise no_file(path, "table")
    suffix = _format_suffix(path)
    if suffix not in READERS:
        raise ValueError(
            f"{printable(path)} is not a table of a known format; its name must end in "
            f"{', '.join(READERS)}."
        )
    if READERS[suffix] is _read_fits:
        return _read_fits(path, suffix, hdu)
    if hdu is not None:
        raise ValueError(
            f"{printable(path)} is not a FITS file, so table_hdu={hdu!r} would change "
            "nothing. Leave it out."
        )
    if READERS[suffix] is _read_csv:
        return _read_csv(path, suffix, (*TEXT_COLUMNS, *strings))
    return READERS[suffix](path, suffix)


def _format_suffix(path):
    suffixes = ["", *path.suffixes]
    is_compressed = suffixes[-1].lower() in COMPRESSED
    return suffixes[-2 if is_compressed else -1].lower()


def _read_csv(path, suffix, strings=TEXT_COLUMNS):
    text = _decoded(unpacked_content(path, suffix), path)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    _check_longest(map(len, lines), len(lines), path)
    header = next((line for line in lines if re.match(r"\s*[^#\s]", line)), "")
    default = "\t" if suffix == ".tsv" else ","
    delimiter = max((default, *DELIMITERS), key=header.count)
    _check_header(header, delimiter, path, suffix)
    spellings = [(name, name.lower(), name.upper(), name.title()) for name in strings]
    with parse_errors_name_file(path, suffix):
        table = Table.read(
            lines,
            format="ascii.csv",
            comment=r"\s*#",
            delimiter=delimiter,
            converters=dict.fromkeys(sum(spellings, ()), str),
        )
    if delimiter != ",":
        _read_decimal_commas(table, {name.lower() for name in strings})
    return table


def _check_header(header, delimiter, path, suffix):
    with parse_errors_name_file(path, suffix):
        names = next(csv.reader([header], delimiter=delimiter), ())
    check_names_once(names, printable(path))


def _read_ecsv(path, suffix):
    content = unpacked_content(path, suffix)
    with parse_errors_name_file(path, suffix):
        lines = content.decode("utf-8-sig").splitlines()
    _check_longest(map(len, lines), len(lines), path)
    header = next((line for line in lines if line.strip() and line[:1] != "#"), "")
    delimiter = "," if "# delimiter: ','" in lines else " "
    _check_header(header, delimiter, path, suffix)
    with parse_errors_name_file(path, suffix):
        return Table.read(lines, format="ascii.ecsv")


def _decoded(content, path):
    """Decode a file as UTF-16 if it has a byte-order mark, else as UTF-8 or Latin-1."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        with parse_errors_name_file(path, "text in UTF-16"):
            return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _check_longest(lengths, n_rows, path):
    """Refuse a table whose strings, padded to the longest, would take too much memory."""
    check_unpacked(BYTES_PER_LETTER * max(lengths, default=0) * n_rows, path)


def _read_decimal_commas(table, strings):
    """Read 0,25 as a number, in a table whose columns are not separated by commas."""
    for name in table.colnames:
        if name.lower() in strings or table[name].dtype.kind != "U":
            continue
        column = np.ma.asarray(table[name])
        cells = [str(text) for text in column.compressed()]
        if not any(map(DECIMAL_COMMA.fullmatch, cells)) or not all(
            DECIMAL_COMMA.fullmatch(text) or INTEGER.fullmatch(text) for text in cells
        ):
            continue
        numbers = np.ma.masked_all(len(column), float)
        numbers[~np.ma.getmaskarray(column)] = [
            float(text.replace(",", ".")) for text in cells
        ]
        table[name] = numbers


def _read_fits(path, suffix, hdu=None):
    with opened_fits(path, memmap=False) as hdus:
        number = _number_of_table(hdus, path, hdu)
        if number is not None:
            names = [str(name) for name in hdus[number].columns.names]
            check_names_once(names, printable(path))
        with parse_errors_name_file(path, suffix):
            table = Table.read(hdus, format="fits", hdu=number)
            if number is not None:
                _mask_scaled_nulls(table, hdus[number].columns)
        return table


def _mask_scaled_nulls(table, columns):
    """Mask the gaps of columns with a scale or a zero, which astropy compares unscaled."""
    for column in columns:
        null = null_of(column)
        if null in (None, column.null) or column.name not in table.colnames:
            continue
        read = table[column.name]
        values = np.ma.getdata(read)
        is_gap = (values == null) | (values != values)
        table[column.name] = MaskedColumn(values, mask=is_gap, unit=read.unit)


def _number_of_table(hdus, path, hdu):
    """Return the number of the HDU that holds the table, or refuse a choice of several."""
    tables = {
        i: each
        for i, each in enumerate(hdus)
        if isinstance(each, fits.BinTableHDU | fits.TableHDU)
    }
    chosen = [i for i, each in tables.items() if hdu is None or is_chosen(each, i, hdu)]
    if len(chosen) == 1 or not tables:
        # Without a table, the reader knows best what there is.
        return chosen[0] if chosen else None
    names = "".join(
        f"\n  {i} {printable(each.name) or '(no name)'}: "
        f"{', '.join(map(printable, each.columns.names))}"
        for i, each in tables.items()
    )
    which = f"{len(tables)} tables" if hdu is None else f"no single table {hdu!r}"
    raise ValueError(
        f"{printable(path)} holds {which}. Choose the one of clusters by table_hdu, or "
        f"write the table to a file of its own. It has:{names}"
    )


def _read_votable(path, suffix):
    content = unpacked_content(path, suffix)
    n_rows = max(content.count(b"<TR"), 1)
    sizes = [
        math.prod(map(int, size.split(b"x"))) for size in ARRAY_SIZE.findall(content)
    ]
    check_unpacked(BYTES_PER_NUMBER * n_rows * sum(sizes), path)
    with parse_errors_name_file(path, "VOTable"):
        from astropy.io import votable

        tables = [*votable.parse(io.BytesIO(content)).iter_tables()]
    filled = [table for table in tables if len(table.fields)]
    if len(filled) != 1:
        raise ValueError(
            f"{printable(path)} holds {len(filled)} tables, but a table of clusters or "
            "galaxies is read from a file with one. Write the one to read to a file of "
            "its own."
        )
    names = [str(field.name) for field in filled[0].fields]
    check_names_once(names, printable(path))
    with parse_errors_name_file(path, "VOTable"):
        return filled[0].to_table(use_names_over_ids=True)


def _read_parquet(path, suffix):
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError(
            f"{printable(path)} is read with pyarrow, which is not installed: "
            'pip install "skcluster[io]", or write the table as ECSV.'
        ) from error
    with parse_errors_name_file(path, suffix):
        file = pyarrow.parquet.ParquetFile(path)
        n_bytes = _parquet_bytes(file.metadata)
    check_unpacked(n_bytes, path)
    with parse_errors_name_file(path, suffix):
        kinds = zip(file.schema_arrow.names, file.schema_arrow.types, strict=True)
        strings = [name for name, kind in kinds if str(kind).endswith("string")]
        # In a dictionary, a string that occurs in a million rows is stored once.
        packed = pyarrow.parquet.read_table(path, read_dictionary=strings)
    for name in strings:
        chunks = packed[name].chunks
        words = (word for chunk in chunks for word in chunk.dictionary.to_pylist())
        _check_longest((len(word or "") for word in words), len(packed), path)
    with parse_errors_name_file(path, suffix):
        table = Table({name: from_arrow(packed[name]) for name in packed.column_names})
        if b"table_meta_yaml" in (file.schema_arrow.metadata or {}):
            written = Table.read(path, format="parquet", schema_only=True)
            for name in {*table.colnames} & {*written.colnames}:
                table[name].unit = written[name].unit
    return table


def _parquet_bytes(metadata):
    """Return the bytes that the numbers of a Parquet file take when unpacked."""
    total = 0
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            width = PARQUET_BYTES.get(column.physical_type, 1)
            total += max(column.num_values * width, column.total_uncompressed_size)
    return total


READERS = {
    ".csv": _read_csv,
    ".ecsv": _read_ecsv,
    ".fits": _read_fits,
    ".fit": _read_fits,
    ".parquet": _read_parquet,
    ".tsv": _read_csv,
    ".vot": _read_votable,
    ".votable": _read_votable,
    ".xml": _read_votable,
}
