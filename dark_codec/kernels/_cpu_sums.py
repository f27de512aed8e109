"""Sums of products that stay in vector registers.

numba leaves it to LLVM to vectorise loops. For the short loops of a stencil
that does not pay: each loop first checks whether arrays overlap, and sums go
through memory. So this loop is written in LLVM's instructions.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES, ROWS = 8, 5
_VECTOR = ir.VectorType(ir.FloatType(), LANES)


@intrinsic
def sum_rows(  # type: ignore[no-untyped-def]
    context, values, at, row_step, tap_step, kernel, out, out_at, out_step
):
    """Compute five rows of eight sums.

    For row j and lane i: out[out_at + j * out_step + i] becomes the sum over
    t of kernel[t] * values[at + j * row_step + t * tap_step + i].

    Args:
        context: The typing context, which numba gives.
        values (float32[:]): Contiguous, of any shape, as ``out`` is.
        at (int): Index of the first value.
        row_step (int): From row to row.
        tap_step (int): From tap to tap.
        kernel (float32[:]): The taps.
        out (float32[:]): Gets the sums.
        out_at (int): Index of the first of them.
        out_step (int): From row to row.
    """
    signature = types.void(
        values, at, row_step, tap_step, kernel, out, out_at, out_step
    )
    return signature, _generate


def _generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Write the instructions, as numba asks for them."""
    arrays = {
        i: context.make_array(signature.args[i])(context, builder, args[i])
        for i in (0, 4, 5)
    }
    _, at, row_step, tap_step, _, _, out_at, out_step = args
    zero = ir.Constant(_VECTOR, [0.0] * LANES)
    sums = [cgutils.alloca_once_value(builder, zero) for _ in range(ROWS)]
    (taps,) = cgutils.unpack_tuple(builder, arrays[4].shape)
    with cgutils.for_range(builder, taps) as loop:
        weight = _all_lanes(builder, arrays[4].data, loop.index)
        here = builder.add(at, builder.mul(loop.index, tap_step))
        for total in sums:
            vector = builder.load(_place(builder, arrays[0], here), align=4)
            product = builder.fmul(weight, vector, flags=('contract',))
            added = builder.fadd(
                builder.load(total), product, flags=('contract',)
            )
            builder.store(added, total)
            here = builder.add(here, row_step)
    for total in sums:
        place = _place(builder, arrays[5], out_at)
        builder.store(builder.load(total), place, align=4)
        out_at = builder.add(out_at, out_step)
    return context.get_dummy_value()


def _place(builder: Any, array: Any, index: Any) -> Any:
    """Pointer to the vector that begins at an index."""
    pointer = builder.gep(array.data, [index])
    return builder.bitcast(pointer, _VECTOR.as_pointer())


def _all_lanes(builder: Any, data: Any, index: Any) -> Any:
    """One number in all lanes."""
    number = builder.load(builder.gep(data, [index]))
    first = ir.IntType(32)(0)
    vector = builder.insert_element(
        ir.Constant(_VECTOR, ir.Undefined), number, first
    )
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(vector, vector, lanes)
