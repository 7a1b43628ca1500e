"""Names and parts of a skops schema, for its writer and its reader."""

PROTOCOL = 2
"""Version of the skops schema in all files that `save_model` writes."""

RANDOM_STATE = "numpy.random.mtrand.RandomState"


def parts_of(schema):
    """Iterate over the parts of a schema, the outer ones first.

    Parameters
    ----------
    schema : object
        From JSON.

    Yields
    ------
    part : dict
        With the kind of the part in ``__loader__``.
    """
    left = [schema]
    while left:
        value = left.pop()
        if isinstance(value, dict) and "__loader__" in value:
            yield value
        if isinstance(value, dict | list):
            left += value.values() if isinstance(value, dict) else value


def type_name(part):
    """Return the dotted name of a part's type.

    Examples
    --------
    >>> type_name({"__module__": "numpy", "__class__": "ndarray"})
    'numpy.ndarray'
    """
    return f"{part['__module__']}.{part['__class__']}"


def name_fields(name):
    """Return the fields of a part that name its type.

    Examples
    --------
    >>> name_fields("numpy.ndarray")
    {'__module__': 'numpy', '__class__': 'ndarray'}
    """
    module, _, attribute = name.rpartition(".")
    return {"__module__": module, "__class__": attribute}
