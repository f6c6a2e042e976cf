"""Derived results as bytes, without pickle: what comes out of a shared store can run nothing.

    decode(encode(value)) == value

A header in JSON says what the value is made of; arrays and bytes follow it as they are. Plain Python values,
NumPy arrays without objects, and frozen dataclasses of this package are taken, everything else is refused.
"""

from __future__ import annotations

import math
import struct
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any

import numpy as np
import orjson

__all__ = ["NotPlain", "decode", "encode"]

_MAGIC = b"xd1\0"
_PACKAGE = "xpcs_dash."
_KINDS = "biufcSUM"


class NotPlain(ValueError):
    """A value that has no form without pickle, or bytes that are none of ours."""


def encode(value: Any) -> bytes:
    """Bytes of ``value``.

    Raises
    ------
    NotPlain
        Where it holds something else than plain values, arrays and dataclasses of this package.
    """
    blobs: list[bytes] = []
    header = orjson.dumps(_tree(value, blobs))
    sizes = struct.pack(f"<{len(blobs) + 2}Q", len(header), len(blobs), *map(len, blobs))
    return b"".join([_MAGIC, sizes, header, *blobs])


def decode(data: bytes) -> Any:
    """The value of which `encode` made ``data``.

    Raises
    ------
    NotPlain
        Where these are no such bytes, or were made by another version of this package.
    """
    try:
        if data[:4] != _MAGIC:
            raise NotPlain("not a stored result")
        head, count = struct.unpack_from("<2Q", data, 4)
        sizes = struct.unpack_from(f"<{count}Q", data, 20)
        start = 20 + 8 * count
        view = memoryview(data)
        header = orjson.loads(view[start : start + head])
        blobs, place = [], start + head
        for size in sizes:
            blobs.append(view[place : place + size])
            place += size
        if place != len(data):
            raise NotPlain("cut short")
        return _value(header, blobs)
    except (struct.error, LookupError, TypeError, AttributeError, ImportError, ValueError) as err:
        raise NotPlain(str(err)) from None


def _tree(value: Any, blobs: list[bytes]) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if type(value) is int:
        return value if abs(value) < 2**53 else {"i": str(value)}
    if type(value) is float:
        return value if math.isfinite(value) else {"f": repr(value)}
    if type(value) is list:
        return [_tree(item, blobs) for item in value]
    if type(value) is tuple:
        return {"t": [_tree(item, blobs) for item in value]}
    if type(value) is dict:
        return {"d": [[_tree(k, blobs), _tree(v, blobs)] for k, v in value.items()]}
    if type(value) is bytes:
        blobs.append(value)
        return {"b": len(blobs) - 1}
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        if array.dtype.kind not in _KINDS or array.dtype.names:
            raise NotPlain(f"an array of {array.dtype}")
        blobs.append(np.ascontiguousarray(array).tobytes())
        scalar = isinstance(value, np.generic)
        return {"a": [len(blobs) - 1, array.dtype.str, list(array.shape), scalar]}
    kind = type(value)
    if is_dataclass(value) and kind.__module__.startswith(_PACKAGE) and "<" not in kind.__qualname__:
        parts = [_tree(getattr(value, f.name), blobs) for f in fields(value) if f.init]
        return {"c": [kind.__module__, kind.__qualname__, parts]}
    raise NotPlain(f"a {kind.__name__}")


def _value(tree: Any, blobs: list[memoryview]) -> Any:
    if isinstance(tree, list):
        return [_value(item, blobs) for item in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, content),) = tree.items()
    match kind:
        case "i":
            return int(content)
        case "f":
            return float(content)
        case "t":
            return tuple(_value(item, blobs) for item in content)
        case "d":
            return {_value(k, blobs): _value(v, blobs) for k, v in content}
        case "b":
            return bytes(blobs[content])
        case "a":
            place, dtype, shape, scalar = content
            kept = np.dtype(dtype)
            if kept.kind not in _KINDS:
                raise NotPlain(f"an array of {kept}")
            array = np.frombuffer(blobs[place], kept).reshape(shape)
            return array[()] if scalar else array
        case "c":
            module, name, parts = content
            return _instance(module, name, parts, blobs)
    raise NotPlain(f"an unknown kind {kind!r}")


def _instance(module: str, name: str, parts: list[Any], blobs: list[memoryview]) -> Any:
    if not module.startswith(_PACKAGE):
        raise NotPlain(f"a class of {module}")
    kind: Any = import_module(module)
    for part in name.split("."):
        kind = getattr(kind, part)
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise NotPlain(f"{name} is no dataclass")
    names = [f.name for f in fields(kind) if f.init]
    if len(names) != len(parts):
        raise NotPlain(f"{name} has other fields now")
    return kind(**{field: _value(part, blobs) for field, part in zip(names, parts, strict=True)})
