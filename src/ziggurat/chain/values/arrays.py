"""Arrays of numpy: the type of an element, the shape, the bytes in C order. Arrays of objects are refused."""

from __future__ import annotations

import sys
from typing import Any

from ziggurat.chain.values.kinds import ARRAY, ARRAY_SCALAR, LIFTS, Kind, Refusal, Writer


def array_kind(cls: type) -> Kind | None:
    """How arrays or their scalars are lowered; None for other classes. Numpy is not imported to find out."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if cls is numpy.ndarray:
        return Kind(ARRAY, _lower_array)
    if issubclass(cls, numpy.generic) and cls.__module__ == "numpy":
        return Kind(ARRAY_SCALAR, _lower_scalar)
    return None


def _lower_array(value: Any, writer: Writer) -> Any:
    return [_element(value, value.dtype, writer), list(value.shape), writer.lower(value.tobytes())]


def _lower_scalar(value: Any, writer: Writer) -> Any:
    return [_element(value, value.dtype, writer), writer.lower(value.tobytes())]


def _element(value: Any, dtype: Any, writer: Writer) -> Any:
    if dtype.hasobject or dtype.kind == "T":
        raise Refusal(value, "an array of Python objects", "return a list, or an array of numbers")
    from numpy.lib.format import dtype_to_descr

    return writer.lower(dtype_to_descr(dtype))


def _lift_array(stored: Any) -> Any:
    import numpy as np
    from numpy.lib.format import descr_to_dtype

    descr, shape, data = stored
    return np.ndarray(tuple(shape), descr_to_dtype(descr), buffer=bytearray(data) or None)


def _lift_scalar(stored: Any) -> Any:
    descr, data = stored
    return _lift_array((descr, (), data))[()]


LIFTS |= {ARRAY: _lift_array, ARRAY_SCALAR: _lift_scalar}
