"""Files that somebody made to do harm: refused before skops acts on them, and in time.

Each attack has hashes that fit, as an author's would.
"""

import io
import json
import pickle
import re
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skcluster import (
    EvrardProxyRegressor,
    LogScaler,
    RedshiftNormalizer,
    XrayCNNRegressor,
    load_model,
    read_header,
    save_model,
)
from skcluster.persistence.archive import HEADER, SCHEMA, pack, read_members
from skcluster.persistence.file_header import pack_header


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(0)
    maps, log_mass = rng.poisson(1.0, (4, 1, 8, 8)), rng.uniform(13.5, 15, 4)
    regressor = XrayCNNRegressor(
        max_epochs=1, device="cpu", n_threads=1, random_state=0
    )
    return regressor.fit(maps, log_mass)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.skops"
    save_model(RedshiftNormalizer(pivot_count=7.0), path)
    return path


def write(path, members):
    """A file of these members, whose header has their hashes."""
    header = json.loads(members.pop(HEADER))
    path.write_bytes(pack({HEADER: pack_header(header, members), **members}))


def rewrite(path, change):
    """Change the schema and the other members of a file."""
    members = read_members(path)
    schema = json.loads(members[SCHEMA])
    change(schema, members)
    members[SCHEMA] = json.dumps(schema).encode()
    write(path, members)


def with_parameter(path, part, **more):
    """Put a part in the place of the parameter pivot_count."""

    def change(schema, members):
        state = schema["content"]["content"]
        state["pivot_count"] = part
        members.update(more)

    rewrite(path, change)


def part(loader, content=None, *, type="builtins.str", **more):
    module, _, name = type.rpartition(".")
    about = {"__loader__": loader, "__module__": module, "__class__": name}
    return {**about, "content": content, **more}


def number(value, **more):
    return part("JsonNode", json.dumps(value), **more)


def array(content, name="123"):
    """A part that refers to an array, and the member that it refers to."""
    about = {"type": "numpy", "file": f"{name}.npy", "__id__": int(name)}
    made = {k: v for k, v in part("NdArrayNode").items() if k != "content"}
    made.update(about, __module__="numpy", __class__="ndarray")
    return made, {f"{name}.npy": content}


def npy(shape, descr="<f8", data=b"", version=b"\x01\x00"):
    """A file of numpy that says so."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n"
    size = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + size + text.encode() + data


def test_these_helpers_make_files_that_load(path):
    with_parameter(path, number(8.0))
    assert load_model(path).pivot_count == 8.0
    made, member = array(npy((2,), data=np.array([1.0, 2.0]).tobytes()))
    with_parameter(path, made, **member)
    assert load_model(path).pivot_count.tolist() == [1.0, 2.0]


def test_a_compressed_member_is_not_decompressed(path):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in read_members(path).items():
            archive.writestr(name, content)
        archive.writestr("0.npy", bytes(50_000_000))
    path.write_bytes(bomb.getvalue())
    with pytest.raises(ValueError, match=r"is compressed or encrypted, and save_model"):
        read_header(path)


def test_an_encrypted_member_is_refused(path):
    content = bytearray(path.read_bytes())
    entry = content.find(b"PK\x01\x02")
    content[entry + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"header\.json is compressed or encrypted"):
        read_header(path)


@pytest.mark.parametrize("name", ["../a.npy", "/a.npy", "a/b.npy", "a.py", "\x1b.npy"])
def test_a_member_of_an_odd_name_is_refused(name, path):
    write(path, {**read_members(path), name: b""})
    with pytest.raises(ValueError, match=r"has a member of the name") as raised:
        read_header(path)
    assert repr(name) in str(raised.value)


def test_a_member_that_is_there_twice_is_refused(path):
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Dupl"):
        archive.writestr("schema.json", "{}")
    with pytest.raises(ValueError, match=r"2 members of the name schema\.json"):
        read_header(path)


def test_members_that_claim_more_than_the_file_has_are_refused(path):
    """As do those that lie over each other."""
    content = bytearray(path.read_bytes())
    entry = content.find(b"PK\x01\x02")
    content[entry + 20 : entry + 28] = (2**31).to_bytes(4, "little") * 2
    path.write_bytes(content)
    with pytest.raises(ValueError, match="claim to be larger than its"):
        read_header(path)


PICKLED = pickle.dumps([print])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            npy((10**12,)),
            r"claims shape \(1000000000000,\) of float64, but has 0 bytes",
        ),
        (npy((2, 2), data=bytes(31)), r"claims shape \(2, 2\) .* but has 31 bytes"),
        (npy((10**6, 10**6), "<U0"), "claims shape"),
        (npy((1,), "|V2000000000"), r"claims shape \(1,\) of \|V2000000000"),
        (npy((-1, -1), data=bytes(8)), "not an array of numbers"),
        (npy((1,), "|O", PICKLED), "not an array of numbers"),
        (npy((1,), [("a", "|O")], PICKLED), "not an array of numbers"),
        (npy("(((" * 2000), r"123\.npy is not an array: .*EOF"),
        (npy("1"), r"123\.npy is not an array: shape is not valid"),
        (npy((2,), data=bytes(16), version=b"\x09\x00"), "format version"),
        (PICKLED, r"123\.npy is not an array: the magic string"),
        (b"", r"123\.npy is not an array"),
    ],
)
def test_an_array_that_is_not_what_it_claims_is_refused(content, message, path):
    made, member = array(content)
    with_parameter(path, made, **member)
    with pytest.raises(ValueError, match=message):
        load_model(path)


@pytest.mark.parametrize("name", ["schema.json", "9.npy", "124.npy", None, ["123.npy"]])
def test_a_reference_to_another_member_is_refused(name, path):
    made, member = array(npy((0,)))
    with_parameter(path, {**made, "file": name}, **member, **{"124.npy": npy((0,))})
    with pytest.raises(ValueError, match=re.escape(f"refers to an array {name!r}")):
        load_model(path)


def test_parts_that_double_at_each_step_are_refused_at_once(path):
    """Sixty lists, each of two times the one before: 2**60 parts in 10 kB."""
    doubled = number(1.0)
    for i in range(1, 61):
        again = [doubled, {"__id__": i - 1}] if i > 1 else [doubled]
        doubled = part("ListNode", again, type="builtins.list", __id__=i)
    with_parameter(path, doubled)
    assert path.stat().st_size < 40_000
    started = time.perf_counter()
    with pytest.raises(ValueError, match="two of its parts have the id 1"):
        load_model(path)
    assert time.perf_counter() - started < 5


def test_a_part_that_holds_itself_is_refused(path):
    itself = part("ListNode", [{"__id__": 5}], type="builtins.list", __id__=5)
    with_parameter(path, itself)
    with pytest.raises(ValueError, match=r"has {'__id__': 5} in the place of a part"):
        load_model(path)


def test_parts_nested_too_deep_are_refused(path):
    deep = number(1.0)
    for _ in range(150):
        deep = part("ListNode", [deep], type="builtins.list")
    with_parameter(path, deep)
    with pytest.raises(ValueError, match="nested deeper than 200"):
        load_model(path)


def test_an_array_that_is_used_over_and_over_is_refused(path):
    """Each use may cost its size again, as a network's weights do."""
    made, member = array(npy((2**20,), data=bytes(2**23)))
    for n_times, is_fine in ((15, True), (20, False)):
        many = part("ListNode", [made] * n_times, type="builtins.list")
        with_parameter(path, many, **member)
        if is_fine:
            assert len(load_model(path).pivot_count) == n_times
        else:
            with pytest.raises(ValueError, match=r"makes 16\d+ bytes of arrays from 8"):
                load_model(path)


def mapping(**content):
    names = part("ListNode", [part("TypeNode")] * len(content), type="builtins.list")
    return part("DictNode", content, type="builtins.dict", key_types=names)


@pytest.mark.parametrize(
    "change",
    [
        {"pos": number(10**9)},
        {"pos": number(-1)},
        {"pos": number(1.5)},
        {"key": array(npy((623,), "<u4", bytes(623 * 4)), "7")[0]},
        {"key": array(npy((624,), "<u8", bytes(624 * 8)), "8")[0]},
    ],
)
def test_a_random_state_that_would_end_the_process_is_refused(change, path):
    """NumPy takes any position in its key, and reads there at the next draw."""
    state = np.random.RandomState(0).get_state(legacy=False)["state"]
    made, member = array(npy((624,), "<u4", state["key"].tobytes()))
    member |= array(npy((623,), "<u4", bytes(623 * 4)), "7")[1]
    member |= array(npy((624,), "<u8", bytes(624 * 8)), "8")[1]
    type = "numpy.random.mtrand.RandomState"

    def put(state):
        about = {"has_gauss": number(0), "gauss": number(0.0)}
        outer = mapping(bit_generator=number("MT19937"), state=state, **about)
        with_parameter(path, part("RandomStateNode", outer, type=type), **member)

    put(mapping(key=made, pos=number(624)))
    assert load_model(path).pivot_count.randint(9**9) == np.random.RandomState(
        0
    ).randint(9**9)
    put(mapping(**{"key": made, "pos": number(624), **change}))
    with pytest.raises(ValueError, match="has a random state at position"):
        load_model(path)


def test_a_random_state_of_one_s_own_comes_back(path):
    rng = np.random.RandomState(3)
    save_model(XrayCNNRegressor(random_state=rng), path)
    assert load_model(path).random_state.randint(1000) == rng.randint(1000)


@pytest.mark.parametrize(
    ("loader", "type"),
    [
        ("PartialNode", "functools.partial"),
        ("ConstructorFromReduceNode", "builtins.list"),
        ("RandomGeneratorNode", "numpy.random._generator.Generator"),
        ("TreeNode", "sklearn.linear_model._base.LinearRegression"),
        ("OperatorFuncNode", "operator.methodcaller"),
        ("MethodNode", "builtins.str"),
        ("NdArrayNode", "numpy.bytes_"),
        ("NdArrayNode", "numpy.void"),
        ("CachedNode", "builtins.list"),
        ("NoSuchNode", "builtins.list"),
    ],
)
def test_a_part_that_is_more_than_data_needs_trust_by_its_type(loader, type, path):
    """Some of these skops would refuse or fail at; none it gets to see."""
    with_parameter(path, part(loader, {}, type=type))
    with pytest.raises(ValueError, match=rf"holds 1 types .*\['{re.escape(type)}'\]"):
        load_model(path)


@pytest.mark.parametrize("type", ["skcluster.LogScaler", "sklearn.pipeline.Pipeline"])
@pytest.mark.parametrize("loader", ["PartialNode", "TypeNode", "ListNode", "DictNode"])
def test_a_known_type_is_an_object_and_nothing_else(loader, type, path):
    """Trust in a type would let skops call it with what the file says."""
    with_parameter(path, part(loader, [], type=type))
    with pytest.raises(ValueError, match=rf"has a {loader} of the type {type}"):
        load_model(path, trusted=[type])


@pytest.mark.parametrize("protocol", [1, 0, -1, 2.0, "2", None, True, 10**9])
def test_another_protocol_of_skops_is_refused(protocol, path):
    """Older ones audit less; save_model never wrote them."""
    rewrite(path, lambda schema, _: schema.update(protocol=protocol))
    with pytest.raises(
        ValueError, match=f"protocol.* {protocol!r}|protocol 1000000000"
    ):
        load_model(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda schema, _: schema.pop("__loader__"),
        lambda schema, _: schema.update(content=[]),
        lambda schema, _: schema.pop("__class__"),
        lambda schema, _: schema.update(__class__=3),
        lambda schema, _: schema.update(__module__="skcluster.io"),
        lambda schema, _: schema.update(content=number(3)),
        lambda schema, _: schema.update(__id__=[1]),
    ],
)
def test_a_malformed_schema_is_an_error_that_names_the_file(change, path):
    rewrite(path, change)
    with pytest.raises(ValueError, match=r"model\.skops (is not|holds)"):
        load_model(path)


@pytest.mark.parametrize("bad", [b"", b"3", b"\xff", b"[" * 10**5, b'{"protocol": 2}'])
def test_a_schema_that_is_not_one_is_an_error_that_names_the_file(bad, path):
    write(path, {**read_members(path), SCHEMA: bad})
    with pytest.raises(ValueError, match=r"model\.skops is not a model"):
        load_model(path)


def state_of_network(schema):
    return schema["content"]["content"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("map_shape_", (1, 10**7, 10**7), r"do not fit the network: head\.0\.weight"),
        ("map_shape_", (10**9, 8, 8), r"do not fit the network: extractor\.0\.weight"),
        ("map_shape_", (1, 4, 4), "at least 8 pixels"),
        ("architecture", "os.system", "KeyError"),
        ("loss", "os.system", "KeyError"),
        ("dropout", 7.0, "dropout probability"),
    ],
)
def test_a_network_that_is_not_that_of_its_weights_is_refused(
    name, value, message, network, path
):
    """Before memory is asked for: the first of these would take an exabyte."""

    def change(schema, _):
        items = [number(item) for item in value] if name == "map_shape_" else None
        made = (
            part("TupleNode", items, type="builtins.tuple") if items else number(value)
        )
        state_of_network(schema)[name] = made

    save_model(network, path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=message):
        load_model(path)


def test_weights_too_few_are_refused(network, path):
    def change(schema, _):
        weights = state_of_network(schema)["weights_"]["content"][0]
        del weights["content"]["output.bias"]
        del weights["key_types"]["content"][-1]

    save_model(network, path)
    rewrite(path, change)
    with pytest.raises(ValueError, match=r"output\.bias has shape None, but \(1,\) is"):
        load_model(path)


def test_a_good_file_is_loaded_with_all_of_these_checks(network, path):
    save_model(make_pipeline(LogScaler(), network), path)
    assert load_model(path)[-1].map_shape_ == (1, 8, 8)
    save_model(EvrardProxyRegressor(redshift_bins=np.array([0.1, 0.2])), path)
    assert load_model(path).redshift_bins.tolist() == [0.1, 0.2]


def peak_of_loading(path):
    """Peak memory of load_model as a multiple of the file, and the error or None."""
    tracemalloc.start()
    try:
        load_model(path)
        error = None
    except ValueError as raised:
        error = str(raised)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak / path.stat().st_size, error


MAX_MULTIPLE = 30
"""Largest memory of loading, in sizes of the file; JSON of many small parts takes most."""


def list_of(*items):
    return part("ListNode", [*items], type="builtins.list")


def masked(data, n):
    mask, member = array(npy((n,), "|b1", bytes(n)), "7")
    content = {"data": data, "mask": mask}
    return part("MaskedArrayNode", content, type="numpy.ma.MaskedArray"), member


def test_a_masked_array_of_one_long_and_many_short_strings_is_not_padded(path):
    """As an array of strings, 0.12 MB would take 10,000 times the longest: 1.6 GB."""
    strings = list_of(number("x" * 40_000), *[number("y")] * 1000)
    made, member = masked(strings, 1001)
    with_parameter(path, made, **member)
    multiple, error = peak_of_loading(path)
    assert re.search(r"it masks \['x+.*, which is not an array", error)
    assert multiple < MAX_MULTIPLE
    shape = part("TupleNode", [number(1001)], type="builtins.tuple")
    strings = {**strings, "type": "json", "shape": shape, "__loader__": "NdArrayNode"}
    strings.update(__module__="numpy", __class__="ndarray")
    made, member = masked(strings, 1001)
    with_parameter(path, made, **member)
    multiple, error = peak_of_loading(path)
    assert error is None
    assert multiple < MAX_MULTIPLE
    assert load_model(path).pivot_count.dtype == object


@pytest.mark.parametrize("shape", [(3,), (2, 2), (1, 10**6), (-1,), (1.0,), (), None])
def test_an_array_of_objects_has_as_many_as_it_spells_out(shape, path):
    items, member = array(npy((10**6,), "|i1", bytes(10**6)))
    sizes = [number(size) for size in shape or ()]
    made = {
        **items,
        "type": "json",
        "content": [items],
        "shape": part("TupleNode", sizes, type="builtins.tuple"),
        "__id__": 5,
    }
    if shape is None:
        made["shape"] = number(1)
    with_parameter(path, made, **member)
    multiple, error = peak_of_loading(path)
    assert re.search("where shape .* is needed|of objects of shape", error)
    assert multiple < MAX_MULTIPLE


@pytest.mark.parametrize("type", ["clongdouble", "float64", "str_"])
def test_an_array_is_not_read_as_many_numbers_of_another_type(type, path):
    """Each of these would take up to 32 times the bytes of the int8."""
    items, member = array(npy((10**5,), "|i1", bytes(10**5)))
    many = [{**items, "__class__": type, "__id__": 123} for _ in range(50)]
    with_parameter(path, list_of(*many), **member)
    multiple, error = peak_of_loading(path)
    assert f"it has a numpy.{type} of shape (100000,) and int8" in error
    assert multiple < MAX_MULTIPLE
    one, member = array(npy((), "|i1", bytes(1)))
    with_parameter(path, {**one, "__class__": type}, **member)
    _, error = peak_of_loading(path)
    assert f"it has a numpy.{type} of shape () and int8" in error


@pytest.mark.parametrize("is_first", [True, False])
def test_a_second_smaller_description_of_the_same_id_is_refused(is_first, path):
    """The builder would put the large one in the place of each of the small ones."""
    large = {**list_of(*[number(0)] * 1000), "__id__": 5}
    small = {**number(0), "__id__": 5}
    both = [large, small] if is_first else [small, large]
    with_parameter(path, list_of(*both))
    with pytest.raises(ValueError, match="two of its parts have the id 5"):
        load_model(path)


def test_weights_that_many_members_share_are_counted_for_each(network, path):
    """Each member's network is built anew: kilobytes more would take gigabytes."""
    save_model(network, path)

    def change(schema, _):
        members = state_of_network(schema)["weights_"]
        members["content"] = members["content"] * 2000

    rewrite(path, change)
    multiple, error = peak_of_loading(path)
    assert re.search(r"makes \d+ bytes of arrays from \d+", error)
    assert multiple < MAX_MULTIPLE


@pytest.mark.parametrize("text", ["[]", "{}", '""', "1e9", '{"__loader__":"JsonNode"}'])
def test_json_of_many_small_things_takes_a_stated_multiple_of_its_text(text, path):
    text = ('{"protocol": 2, "a": [' + ",".join([text] * 50_000) + "]}").encode()
    write(path, {**read_members(path), SCHEMA: text})
    multiple, error = peak_of_loading(path)
    assert error is not None
    assert multiple < MAX_MULTIPLE


def test_many_small_parts_take_a_stated_multiple_of_their_text(path):
    with_parameter(path, list_of(*[number(1.5)] * 20_000))
    multiple, error = peak_of_loading(path)
    assert error is None
    assert multiple < MAX_MULTIPLE


@pytest.mark.parametrize("content", ["[[], []]", " {}", "[" * 10**5, None, 3])
def test_json_in_a_part_is_one_number_or_string(content, path):
    """A list would take twenty times its text."""
    with_parameter(path, {**number(1), "content": content})
    with pytest.raises(ValueError, match="in the place of a number or string"):
        load_model(path)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (npy((3,), "|b1", bytes(3)), r"masks shape \(2,\) by bool of shape \(3,\)"),
        (npy((2,), "<i8", bytes(16)), r"masks shape \(2,\) by int64 of shape \(2,\)"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(mask, message, path):
    data, member = array(npy((2,), "<f8", bytes(16)))
    mask, more = array(mask, "7")
    content = {"data": data, "mask": mask}
    made = part("MaskedArrayNode", content, type="numpy.ma.MaskedArray")
    with_parameter(path, made, **member, **more)
    with pytest.raises(ValueError, match=message):
        load_model(path)


@pytest.mark.parametrize(
    ("descr", "n_bytes", "message"),
    [
        ("<U1", 4, "strings that are not Unicode"),
        (">U1", 4, "strings that are not Unicode"),
        ("<U90000000", 0, r"claims shape \(0,\) of <U90000000, but has 0 bytes"),
    ],
)
def test_strings_that_are_not_unicode_are_refused(descr, n_bytes, message, path):
    shape = (n_bytes // 4,)
    made, member = array(npy(shape, descr, b"\xff" * n_bytes))
    with_parameter(path, made, **member)
    with pytest.raises(ValueError, match=message):
        load_model(path)


@pytest.mark.parametrize("ends", [["a", None, None], [1.5, 2, None], [[], 1, 2]])
def test_a_slice_has_integers_as_ends(ends, path):
    content = dict(zip(("start", "stop", "step"), ends, strict=True))
    with_parameter(path, part("SliceNode", content, type="builtins.slice"))
    with pytest.raises(ValueError, match="it has a slice of"):
        load_model(path)


def test_what_skops_would_call_inside_a_trusted_part_needs_trust_as_well(path):
    """skops trusts a support vector machine by itself."""
    inner = part("ObjectNode", mapping(), type="sklearn.svm._classes.SVR")
    function = part("FunctionNode", type="numpy.log")
    content = {"func": function, "args": inner, "kwds": mapping(), "namespace": inner}
    with_parameter(path, part("PartialNode", content, type="functools.partial"))
    message = r"holds 1 types .*\['sklearn\.svm\._classes\.SVR'\]"
    with pytest.raises(ValueError, match=message):
        load_model(path, trusted=["functools.partial"])
