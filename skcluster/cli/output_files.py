"""Check the files that a command will write, before it starts to work."""

import os
from pathlib import Path


def check_output(path, *, inputs):
    """Refuse a file that cannot be written, or that the command is about to read.

    Its folder is created if necessary.

    Parameters
    ----------
    path : str
    inputs : iterable of path-like
    """
    from ..io.atomic import try_to_write

    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder. Give the path of a file with -o.")
    check_is_no_input(path, inputs)
    if path.exists() and not path.is_file():
        return  # a device or a pipe
    try:
        try_to_write(path, 1)
    except OSError as error:
        raise type(error)(
            f"{path} cannot be written ({error.strerror or error}), so the work has not "
            "begun. Give another path with -o."
        ) from error


def check_is_no_input(path, inputs):
    """Refuse to replace an input file, also under another name or link."""
    for source in inputs:
        try:
            is_same = os.path.samefile(path, source)
        except (OSError, ValueError):
            continue
        if is_same:
            raise ValueError(
                f"{path} is an input, {source}, and would be replaced. Give another path "
                "with -o."
            )


def check_folder_is_free(folder, files, *, overwrite, inputs):
    """Refuse a folder that cannot be written, or whose files would be replaced.

    Inputs are never replaced; other files only with `overwrite`.

    Parameters
    ----------
    folder : Path
    files : sequence of str
        Names in the folder.
    overwrite : bool
    inputs : iterable of path-like
    """
    from ..io.atomic import try_to_write

    old = [folder / file for file in files if (folder / file).exists()]
    for file in old:
        check_is_no_input(file, inputs)
    if old and not overwrite:
        raise FileExistsError(
            f"{len(old)} of {len(files)} files are there already (first: {old[0]}). "
            "Give another folder, or --overwrite."
        )
    try:
        try_to_write(folder / files[0], 1)
    except OSError as error:
        raise type(error)(
            f"The folder {folder} cannot be written ({error.strerror or error}). Give "
            "another one with -o."
        ) from error
