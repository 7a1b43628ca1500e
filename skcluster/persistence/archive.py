"""Write and read the zip file of a model; nothing in the file is trusted."""

import collections
import io
import os
import re
import stat
import zipfile

from ..printable import no_file, printable

HEADER, SCHEMA = "header.json", "schema.json"
MEMBER_NAME = re.compile(r"[\w-]+\.(json|npy|npz|bin)", flags=re.ASCII)
MAX_REASON = 500
"""Largest length of a reason in an error message, because it may quote the file."""


def pack(members):
    """Return the bytes of a zip file with uncompressed members.

    Parameters
    ----------
    members : dict of str -> bytes

    Returns
    -------
    content : bytes
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def read_members(path):
    """Read the members of a zip file that `pack` made.

    Nothing is decompressed: before any member is read, compressed members, two of the
    same name, and members that claim to be larger than the file are refused.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    members : dict of str -> bytes

    Raises
    ------
    ValueError
        The file is not a model, or is damaged.
    OSError
        The file cannot be read.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError as error:
        raise no_file(path, "model") from error
    if not stat.S_ISREG(mode):
        raise ValueError(
            f"{printable(path)} is not a model: it is a folder, a pipe or a device."
        )
    with open(path, "rb") as file:
        start = file.read(4)
        if start != b"PK\x03\x04":
            raise ValueError(
                f"{printable(path)} is not a model that save_model wrote: it starts with "
                f"{start!r}. A pickle is loaded with joblib.load, which runs the code "
                "inside: only if you made it yourself."
            )
        content = start + file.read()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            listed = archive.infolist()
            _check_listing(listed, len(content))
            return {member.filename: archive.read(member) for member in listed}
    # zipfile raises not only BadZipFile, but NotImplementedError, RuntimeError, EOFError,
    # struct.error, OverflowError, UnicodeDecodeError.
    except Exception as error:
        raise damaged(path, error) from error


def damaged(path, reason):
    """Return the error for a file that save_model did not write, or that is damaged.

    Parameters
    ----------
    path : str or path-like
    reason : str or Exception
        It may quote the file, so escape sequences in it are made harmless.
    """
    return ValueError(
        f"{printable(path)} is not a model that save_model wrote, or it is damaged: "
        f"{printable(reason)[:MAX_REASON]}"
    )


def _check_listing(listed, n_bytes):
    counted = collections.Counter(member.filename for member in listed)
    for name, n_times in counted.items():
        if not MEMBER_NAME.fullmatch(name):
            raise ValueError(f"it has a member of the name {name!r:.99}.")
        if n_times > 1:
            raise ValueError(f"it has {n_times} members of the name {name}.")
    for member in listed:
        if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise ValueError(
                f"its member {member.filename} is compressed or encrypted, and "
                "save_model stores members as they are."
            )
    if sum(member.file_size for member in listed) > n_bytes:
        raise ValueError(f"its members claim to be larger than its {n_bytes} bytes.")
