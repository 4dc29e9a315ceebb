"""Batches as bytes: in the form of Python 2's pickle, as CIFAR-10 comes, and hostile ones."""

import pickle
import pickletools
import struct

import numpy as np

PROTO2, STOP = b"\x80\x02", b"."
SYSTEM = b"cos\nsystem\n"
SCALAR, RECONSTRUCT = b"cnumpy.core.multiarray\nscalar\n", b"cnumpy.core.multiarray\n_reconstruct\n"
NDARRAY, DTYPE = b"cnumpy\nndarray\n", b"cnumpy\ndtype\n"
ENCODE = b"c_codecs\nencode\n"


def string(value):
    """SHORT_BINSTRING, or BINSTRING."""
    if len(value) < 256:
        return b"U" + bytes([len(value)]) + value
    return b"T" + struct.pack("<i", len(value)) + value


def integer(value):
    for code, form in ((b"K", "<B"), (b"M", "<H"), (b"J", "<i"), (b"\x8a\x08", "<q")):
        try:
            return code + struct.pack(form, value)
        except struct.error:
            continue
    raise ValueError(value)


def dtype(code=b"u1", order=b"|", fields=b"NNN"):
    build = b"(K\x03" + string(order) + fields + b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    return DTYPE + string(code) + b"K\x00K\x01\x87R" + build


def array(data, *shape, type=None, fortran=b"\x89"):
    """What NumPy 1 under Python 2 writes for an array."""
    dimensions = b"(" + b"".join(n if isinstance(n, bytes) else integer(n) for n in shape)
    state = b"(K\x01" + dimensions + b"t" + (type or dtype()) + fortran + string(data) + b"t"
    return RECONSTRUCT + NDARRAY + b"K\x00\x85" + string(b"b") + b"\x87R" + state + b"b"


def batch(data, labels, more=b""):
    return PROTO2 + b"}(" + string(b"data") + data + string(b"labels") + labels + more + b"u" + STOP


def python2_batch(images, labels, names=True):
    """The byte form of CIFAR-10's own batches, memo and all."""
    count = 0

    def put():
        nonlocal count
        count += 1
        return b"q" + bytes([count]) if count < 256 else b"r" + struct.pack("<I", count)

    content = PROTO2 + b"}" + put() + b"(" + string(b"data") + put()
    content += RECONSTRUCT + put() + NDARRAY + put() + b"K\x00\x85" + string(b"b") + b"\x87R" + put()
    content += b"(K\x01" + integer(len(images)) + integer(3072) + b"\x86" + DTYPE + put()
    content += string(b"u1") + b"K\x00K\x01\x87R" + put()
    content += b"(K\x03" + string(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    content += b"\x89" + string(images.tobytes()) + b"tb" + string(b"labels") + put() + b"]" + put()
    content += b"(" + b"".join(map(integer, labels)) + b"e" + string(b"batch_label") + put()
    content += string(b"training batch 1 of 5") + put()
    if names:
        content += string(b"filenames") + put() + b"]" + put() + b"("
        content += b"".join(string(b"%05d.png" % index) + put() for index in range(len(images))) + b"e"
    return content + b"u" + STOP


def good_batches():
    """name -> (content, images, labels): every form that has to load."""
    images = np.random.default_rng(0).integers(0, 256, [3, 3072], np.uint8)
    labels = [0, 9, 3]
    numbers = np.array(labels, ">i2")
    plain = {b"batch_label": b"x", b"labels": labels, b"data": images}
    contents = {"Python 2": python2_batch(images, labels)}
    contents["a dtype of its own"] = batch(
        array(images.tobytes(), 3, 3072), array(numbers.tobytes(), 3, type=dtype(b"i2", b">"))
    )
    scalars = b"](" + b"".join(
        SCALAR + dtype(b"i8", b"<") + string(struct.pack("<q", label)) + b"\x86R" for label in labels
    )
    contents["scalars"] = batch(array(images.tobytes(), 3, 3072), scalars + b"e")
    contents["Fortran"] = batch(array(images.tobytes("F"), 3, 3072, fortran=b"\x88"), b"](K\x00K\x09K\x03e")
    for protocol in (2, 3, 4, 5):
        for layout, kind in (
            (images, labels),
            (np.asfortranarray(images), numbers),
            (images, list(numbers)),
        ):
            content = pickle.dumps({**plain, b"data": layout, b"labels": kind}, protocol)
            name = f"protocol {protocol}, {type(kind).__name__} {type(kind[0]).__name__}"
            contents[name] = content
            contents[f"NumPy 1, {name}"] = as_numpy_1(content)
    return {name: (content, images, labels) for name, content in contents.items()}


def as_numpy_1(content):
    """The pickle as NumPy 1 writes it: its package is called `core` and not `_core`."""
    pieces, start = [], 0
    for opcode, _, position in pickletools.genops(content):
        if opcode.name == "FRAME":  # its length would no longer be right, and pickles do without
            pieces.append(content[start:position])
            start = position + 9
    content = b"".join([*pieces, content[start:]])
    for module in (b"multiarray", b"numeric"):
        new, old = b"numpy._core." + module, b"numpy.core." + module
        content = content.replace(b"c" + new, b"c" + old)  # GLOBAL
        content = content.replace(bytes([len(new)]) + new, bytes([len(old)]) + old)  # SHORT_BINUNICODE
    return content


INTERFACE = (  # an address of the file's choosing, which NumPy would read
    b"}(U\x13__array_interface__}(U\x07versionK\x03U\x07typestrU\x03%sU\x05shapeK\x01M\x00\x0c\x86"
    b"U\x04dataK\x08\x89\x86uU\x05dtypeU\x02u1u"
)


def shared_values(size, data):
    """name -> opcodes of a value that is far larger, deeper or more than its `size` bytes."""
    return {
        "DUP": b"K\x01" + b"2\x86" * 60,
        "memo": b")" + b"q\x00h\x00h\x00\x86" * 60,
        "lists": b"]q\x00" + b"](h\x00h\x00eq\x00" * 60,
        "itself": b"]q\x00h\x00a",
        "dict itself": b"}q\x00U\x01ah\x00s",
        "tuple in itself": b"]q\x00(h\x00tq\x01ah\x00",
        "deep lists": b"]" * (size // 2) + b"a" * (size // 2 - 1),
        "deep tuples": b")" + b"\x85" * size,
        "deep marks": b"(" * size,
        "deep dicts": b"}U\x01a" * (size // 4) + b"s" * (size // 4 - 1),
        "Nones": b"(" + b"N" * size + b"l",
        "empty lists": b"(" + b"]" * size + b"l",
        "empty dicts": b"(" + b"}" * size + b"l",
        "dicts of one": b"U\x01aq\x00(" + b"}h\x00h\x00s" * (size // 6) + b"l",
        "views": data + b"q\x00(" + b"h\x00" * (size // 2) + b"l",
    }


def hostile_metas(size=100_000):
    """name -> content of a batches.meta. None may name classes."""

    def meta(names):
        return PROTO2 + b"}U\x0blabel_names" + names + b"s" + STOP

    hostile = {}
    for name, value in shared_values(size, array(bytes(3072), 1, 3072)).items():
        hostile[f"{name} as names"] = meta(value)
        if name != "deep tuples":  # which come out as the word "tuple"
            hostile[f"{name} as a name"] = meta(b"](U\x03cat" + value + b"e")
    long = b"X" + struct.pack("<I", 60_000) + b"a" * 60_000
    for name, value in {"text": long, "bytes": b"T" + struct.pack("<i", size) + b"a" * size}.items():
        hostile[f"long {name}, many times"] = meta(value + b"q\x00](" + b"h\x00" * (size // 2) + b"e")
        hostile[f"long {name}"] = meta(b"](U\x03cat" + value + b"e")
    for name, value in {"number": b"K\x01", "nothing": b"U\x00", "escape": b"U\x02\x1b["}.items():
        hostile[name] = meta(b"](U\x03cat" + value + b"e")
    return hostile


def hostile_batches(size=100_000):
    """name -> content, each of at most some `size` bytes. None may load."""
    data = array(bytes(3072), 1, 3072)
    labels = b"]K\x01a"
    number, item = b"K\x01", b"]K\x01a"
    sharing = shared_values(size, data)
    functions = {
        name: value for name, value in (("scalar", SCALAR), ("ndarray", NDARRAY), ("dtype", DTYPE))
    }
    hostile = {}
    for name, value in sharing.items():
        hostile[f"{name} as data"] = batch(value, labels)
        hostile[f"{name} as labels"] = batch(data, value)
        hostile[f"{name} in labels"] = batch(data, b"](" + value + b"e")
        hostile[f"{name} as a key"] = PROTO2 + b"}" + value + b"K\x01s."
        hostile[f"{name} as a shape"] = batch(array(bytes(3072), value), labels)
        hostile[f"{name} as arguments"] = batch(DTYPE + value + b"\x85R", labels)
        hostile[f"{name} as state"] = batch(RECONSTRUCT + b")R" + value + b"b", labels)
        hostile[f"{name} alone"] = PROTO2 + value + STOP
    for name, value in {
        **functions,
        "array": data,
        "type": dtype(),
        "list": b"]",
        "dict": b"}",
        "text": b"U\x01a",
    }.items():
        for typestr in (b"|u1", b"|O8"):
            hostile[f"{typestr} on {name} as data"] = batch(value + INTERFACE % typestr + b"b", labels)
            hostile[f"{typestr} on {name} in labels"] = batch(
                data, b"]" + value + INTERFACE % typestr + b"ba"
            )
        hostile[f"state of two on {name}"] = batch(value + b"N" + INTERFACE % b"|u1" + b"\x86b", labels)
    for code in (b"O", b"O8", b"f8", b"V1", b"S1", b"M8", b"b1", b"u16", b"", b"\xff\xff", b"u1" * 1000):
        hostile[f"type {code[:9]}"] = batch(array(bytes(3072), 1, 3072, type=dtype(code)), labels)
    for order in (b"x", b"", b"<>", b"\n"):
        hostile[f"order {order}"] = batch(array(bytes(3072), 1, 3072, type=dtype(b"u1", order)), labels)
    hostile["fields"] = batch(array(bytes(3072), 1, 3072, type=dtype(fields=b"N)}")), labels)
    for shape in (
        (-1, 3072),
        (1, -3072),
        (-1, -3072),
        (2**32, 2**32 + 1),
        (2**62, 4),
        (0, 2**62),
        (0, 3072),
        (3072,),
        (1, 3073),
        (2, 3072),
        (1, 3072, 1),
        (1,) * 40 + (3072,),
        (2**31 - 1,) * 20 + (0,),
        (b"\x88", 3072),
        (b"G\x3f\xf0\0\0\0\0\0\0", 3072),
        (b"N",),
        (b"(K\x01t", 3072),
        (b"\x8a\x09" + b"\xff" * 8 + b"\x00",) * 2,
    ):
        content = b"" if 0 in shape else bytes(3072)
        hostile[f"shape {str(shape)[:60]}"] = batch(array(content, *shape), labels)
    hostile["no data"] = batch(RECONSTRUCT + NDARRAY + b"K\x00\x85U\x01b\x87R", labels)
    hostile["text for data"] = batch(
        RECONSTRUCT
        + b")R(K\x01K\x01M\x00\x0c\x86"
        + dtype()
        + b"\x89X\x00\x0c\x00\x00"
        + b"a" * 3072
        + b"tb",
        labels,
    )
    for name, value in {
        "LONG_BINPUT 2**27": b"Nr\0\0\0\x08",
        "LONG_BINPUT": b"Nr\xff\xff\xff\xff",
        "PUT": b"Np9999999999\n",
        "far LONG_BINPUTs": b"N" + b"".join(b"r" + struct.pack("<I", i << 17) for i in range(1, 2**15)),
        "no memo": b"h\x07",
        "LONG_BINGET": b"j\xff\xff\xff\xff",
        "GET": b"g99\n",
        "hole": b"Nr\x09\0\0\0h\x05",
        "LONG4": b"\x8b" + struct.pack("<i", size) + b"\x7f" * size,
        "LONG4 cut": b"\x8b\xff\xff\xff\x7f",
        "LONG4 negative": b"\x8b\xff\xff\xff\xff",
        "LONG1": b"\x8a\xff" + b"\x7f" * 255,
        "INT": b"I" + b"9" * size + b"\n",
        "LONG": b"L" + b"9" * size + b"L\n",
        "INT words": b"Ihello\n",
        "FLOAT": b"F" + b"9" * size + b"\n",
        "FLOAT words": b"Fzebra\n",
        "STRING": b"Sabc\n",
        "STRING quote": b"S'\n",
        "STRING escape": b"S'\\xZZ'\n",
        "BINSTRING": b"T\xff\xff\xff\xff",
        "BINBYTES8": b"\x8e" + b"\xff" * 8,
        "BYTEARRAY8": b"\x96" + b"\xff" * 8,
        "BINUNICODE8": b"\x8d" + b"\xff" * 8,
        "UTF-8": b"X\x01\0\0\0\xff",
        "surrogate": b"X\x03\0\0\0\xed\xa0\x80",
        "long text": b"X" + struct.pack("<I", size) + b"a" * size,
        "UNICODE": b"V\\uZZZZ\n",
        "wide text": b"X" + struct.pack("<I", size) + b"a" * (size - 4) + "\U0001f600".encode(),
        "texts": b"("
        + (b"X" + struct.pack("<I", 60_000) + b"a" * 59_996 + "\U0001f600".encode()) * (size // 60_000)
        + b"l",
        "persistent id": b"Pabc\n",
        "persistent object": number + b"Q",
        "EXT1": b"\x82\x01",
        "EXT2": b"\x83\x01\0",
        "EXT4": b"\x84\x01\0\0\0",
        "INST": b"(ios\nsystem\n",
        "OBJ": b"(" + SYSTEM + number + b"o",
        "NEWOBJ": SYSTEM + b")\x81",
        "NEWOBJ_EX": SYSTEM + b")}\x92",
        "GLOBAL": SYSTEM + number + b"\x85R",
        "STACK_GLOBAL": b"\x8c\x02os\x8c\x06system\x93" + number + b"\x85R",
        "dotted": b"\x8c\x05numpy\x8c\x0edtype.__init__\x93",
        "STACK_GLOBAL of numbers": b"K\x01K\x02\x93",
        "call of a list": item + b")R",
        "call of a text": b"U\x01a)R",
        "call with a list": DTYPE + item + b"R",
        "call without arguments": DTYPE + b")R",
        "call of ndarray": NDARRAY + b")R",
        "NEXT_BUFFER": b"\x97",
        "READONLY_BUFFER": b"\x97\x98",
        "POP": b"NN0",
        "underflow": b"aaaa",
        "SETITEM": b"}NNs",
        "set": b"\x8f",
        "frozenset": b"(\x91",
        "build of a number": b"K\x01}b",
        "long key": b"}U\xff" + b"a" * 255 + b"Ns",
        "odd items": b"}(U\x01au",
        "colliding keys": b"}(" + b"".join(integer(i * (2**61 - 1)) + b"N" for i in range(4)) + b"u",
        "zip": ENCODE + b"X\x01\0\0\0aX\x03\0\0\0zip\x86R",
        "encode a number": ENCODE + b"K\x01X\x06\0\0\0latin1\x86R",
        "bytes of many": b"c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R",
        "scalar of O": SCALAR + dtype(b"O8") + string(bytes(8)) + b"\x86R",
        "scalar too short": SCALAR + dtype(b"i8") + string(bytes(4)) + b"\x86R",
        "scalar of a text": SCALAR + b"U\x02u1U\x01a\x86R",
        "copyreg": b"ccopy_reg\n_reconstructor\n",
        "getattr": b"c__builtin__\ngetattr\n",
        "unclosed mark": b"(",
        "many encodings": b"X"
        + struct.pack("<I", size)
        + b"a" * size
        + b"q\x00("
        + (ENCODE + b"h\x00X\x06\0\0\0latin1\x86R") * (size // 20)
        + b"l",
        "long name": b"c" + b"\x1b[31m" * size + b"\nx\n",
        "name without end": b"cos" + b"x" * size,
        "opcode": b"\xff",
    }.items():
        hostile[name] = batch(value, labels)
        hostile[f"{name} in labels"] = batch(data, b"](" + value + b"e")
    whole = python2_batch(np.zeros([1, 3072], np.uint8), [1])
    hostile["two pickles"] = whole + whole
    hostile["a byte more"] = whole + b"\0"
    hostile["empty"] = b""
    hostile["no STOP"] = whole[:-1]
    hostile["protocol 6"] = b"\x80\x06" + whole[2:]
    hostile["frame too long"] = b"\x80\x04\x95" + struct.pack("<Q", 10**6) + whole[2:]
    hostile["frame of 2**64"] = b"\x80\x04\x95" + b"\xff" * 8 + whole[2:]
    hostile["zeros"] = bytes(size)
    hostile["text"] = b"hello\n" * 10
    return hostile
