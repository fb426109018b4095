"""The call path in machine code: from Python's arguments to one native call and back.

A jitted call is repeated with arguments of the same structure and types, so all that Python
would ask anew each time is written down once, in a plan: where each array is found in the
arguments, what it must be like, which results there are and how their tree is built. The
functions here follow a plan. Whatever is not exactly as planned gives the plan's `missed`
object instead of a result and leaves everything as it was; Python then goes the long way,
which also knows how to complain.

    PyObject *gc_call(PyObject *plan, PyObject *const *arguments, Py_ssize_t count);
    PyObject *gc_donate(PyObject *unused, PyObject *const *arguments, Py_ssize_t count);

A plan is an integer array; its words, and those of the records that it points to, are the
structures below. `gc_donate(array, shape)` moves an array's memory to a new array, or gives None
where the array does not own its memory. The old array is then spent: it cannot be written, and its
base is a tuple of the new one, which no other array has.
"""

from __future__ import annotations

import re
from string import Template

from graphc.codegen.llvm.call_functions import ARGUMENTS, DONATION, RESULTS
from graphc.codegen.llvm.short_forms import in_full

READABLE = 0x101  # NumPy's flags: contiguous as in C, aligned
WRITEABLE = 0x400
OWNS = 0x4

# The words of a plan and of its records, in order.
STRUCTURES: dict[str, dict[str, str]] = {
    "Plan": {
        "native": "ptr",  # i32 (ptr words)
        "pool": "ptr",  # where the thread pool's address is; null to run serially
        "frame": "ptr",  # the first of the frames that no call uses
        "arguments": "i64",
        "find_count": "i64",
        "finds": "ptr",
        "input_count": "i64",
        "inputs": "ptr",
        "output_count": "i64",
        "outputs": "ptr",
        "step_count": "i64",
        "steps": "ptr",
        "missed": "ptr",  # what a miss gives
        "refuse": "ptr",  # what raises the error of a status
        "array_type": "ptr",
        "lease_type": "ptr",
        "tuple_type": "ptr",
        "donates": "i64",
    },
    # Where something is: an argument, or an item of what was found before.
    "Find": {
        "access": "i64",  # 0 argument, 1 tuple, 2 list, 3 dict, 4 attribute, 5 fixed attribute
        "parent": "i64",
        "key": "i64",
        "type": "ptr",  # of a fixed attribute, the object itself
        "size": "i64",  # of a container, else -1
    },
    "Input": {
        "slot": "i64",
        "descr": "ptr",
        "rank": "i64",
        "sizes": "ptr",
        "flags": "i64",  # that must be set
        "donated": "i64",
    },
    "Output": {
        "descr": "ptr",
        "rank": "i64",
        "sizes": "ptr",
        "source": "i64",  # the donated input, or -1
    },
    # One step of building the results' tree on a stack.
    "Step": {
        "kind": "i64",  # 0 result, 1 tuple, 2 list, 3 dict, 4 None
        "count": "i64",  # of items, or which result
        "extra": "ptr",  # a dict's keys, what makes something else of a tuple, None
    },
}
FRAME_WORDS = 3  # next free frame, arena, pool; behind them inputs, outputs, room for objects

# Python's and NumPy's own, behind an object's head or before its end.
_FOREIGN = {
    "Object": {"before": "[$BEFORE_TYPE x i8]", "type": "ptr", "size": "i64"},
    "List": {"head": "[$HEAD x i8]", "size": "i64", "items": "ptr"},
    "Array": {
        "head": "[$HEAD x i8]",
        "data": "ptr",
        "rank": "i32",
        "sizes": "ptr",
        "strides": "ptr",
        "base": "ptr",
        "descr": "ptr",
        "flags": "i32",
        "references": "ptr",
        "buffers": "ptr",
        "handler": "ptr",
    },
}

_DECLARATIONS = """
declare ptr @PyDict_GetItemWithError(ptr, ptr)
declare ptr @PyObject_GetAttr(ptr, ptr)
declare ptr @PyDict_New()
declare i32 @PyDict_SetItem(ptr, ptr, ptr)
declare ptr @PyTuple_New(i64)
declare ptr @PyList_New(i64)
declare ptr @PyLong_FromLong(i64)
declare ptr @PyObject_CallOneArg(ptr, ptr)
declare ptr @PyObject_CallObject(ptr, ptr)
declare void @PyErr_Clear()
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyArray_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""
PYTHON_FUNCTIONS = tuple(re.findall(r"@(Py(?!Array)\w+)", _DECLARATIONS))
NEW_ARRAY = "PyArray_NewFromDescr"

_INTERFACE = """
define ptr @gc_call(ptr %self, ptr %arguments, i64 %given) nounwind {
entry:
  %plan = %self->Array.data
  %missed = %plan->Plan.missed
  %expected = %plan->Plan.arguments
  %frame.at = getelementptr %Plan, ptr %plan, i64 0, i32 2
  %frame = load ptr, ptr %frame.at
  %fits = icmp eq i64 %given, %expected
  %free = icmp ne ptr %frame, null
  %ready = and i1 %fits, %free
  br i1 %ready, label %begin, label %busy
begin:
  %following = load ptr, ptr %frame
  store ptr %following, ptr %frame.at
  %words = getelementptr ptr, ptr %frame, i64 1
  %inputs = getelementptr ptr, ptr %frame, i64 3
  %input.count = %plan->Plan.input_count
  %outputs = getelementptr ptr, ptr %inputs, i64 %input.count
  %output.count = %plan->Plan.output_count
  %room = getelementptr ptr, ptr %outputs, i64 %output.count
  %found = call i1 @find(ptr %plan, ptr %arguments, ptr %room)
  br i1 %found, label %see, label %miss
see:
  %admitted = call i1 @admit(ptr %plan, ptr %room, ptr %inputs)
  br i1 %admitted, label %threads, label %miss
threads:
  %cell = %plan->Plan.pool
  %serial = icmp eq ptr %cell, null
  br i1 %serial, label %pooled, label %parallel
parallel:
  %pool = load ptr, ptr %cell
  %gone = icmp eq ptr %pool, null
  br i1 %gone, label %miss, label %pooled
pooled:
  %workers = phi ptr [ null, %threads ], [ %pool, %parallel ]
  ptr %frame[2] = %workers
  %donating = %plan->Plan.donates
  %donates = icmp ne i64 %donating, 0
  br i1 %donates, label %claimed, label %make
claimed:
  %alone = call i1 @claim(ptr %plan, ptr %inputs)
  br i1 %alone, label %make, label %miss
make:
  %made = call i1 @make_results(ptr %plan, ptr %inputs, ptr %outputs, ptr %room)
  br i1 %made, label %go, label %full
full:
  %records = %plan->Plan.inputs
  call void @unclaim(ptr %records, ptr %inputs, i64 %input.count)
  br label %miss
go:
  call void @hand_over(ptr %plan, ptr %inputs, ptr %outputs, ptr %room)
  %native = %plan->Plan.native
  call void @hold(ptr %inputs, i64 %input.count)
  %state = call ptr @PyEval_SaveThread()
  %status = call i32 %native(ptr %words)
  call void @PyEval_RestoreThread(ptr %state)
  call void @drop(ptr %inputs, i64 %input.count)
  %good = icmp eq i32 %status, 0
  br i1 %good, label %give, label %refuse
give:
  %result = call ptr @build(ptr %plan, ptr %outputs, ptr %room)
  br label %end
refuse:
  call void @drop(ptr %outputs, i64 %output.count)
  %status.long = sext i32 %status to i64
  %number = call ptr @PyLong_FromLong(i64 %status.long)
  %refusal = %plan->Plan.refuse
  %raised = call ptr @PyObject_CallOneArg(ptr %refusal, ptr %number)
  call void @Py_DecRef(ptr %number)
  br label %end
miss:
  call void @PyErr_Clear()
  call void @Py_IncRef(ptr %missed)
  br label %end
end:
  %answer = phi ptr [ %result, %give ], [ %raised, %refuse ], [ %missed, %miss ]
  %next = load ptr, ptr %frame.at
  store ptr %next, ptr %frame
  store ptr %frame, ptr %frame.at
  ret ptr %answer
busy:
  call void @Py_IncRef(ptr %missed)
  ret ptr %missed
}

; `self` is a plan without records, for the types in it; `arguments` are array and sizes.
define ptr @gc_donate(ptr %self, ptr %arguments, i64 %given) nounwind {
entry:
  %plan = %self->Array.data
  %missed = %plan->Plan.missed
  %array = load ptr, ptr %arguments
  %lease = %plan->Plan.lease_type
  %owning = call i1 @owns(ptr %array, ptr %lease)
  %writeable = call i1 @is_writeable(ptr %array)
  %free = and i1 %owning, %writeable
  br i1 %free, label %make, label %miss
make:
  %shape = ptr %arguments[1]
  %sizes = %shape->Array.data
  %extents = %shape->Array.sizes
  %rank = load i64, ptr %extents
  %descr = %array->Array.descr
  %data = %array->Array.data
  %kind = %plan->Plan.array_type
  %tuple = call ptr @PyTuple_New(i64 1)
  %no.tuple = icmp eq ptr %tuple, null
  br i1 %no.tuple, label %failed, label %heir
heir:
  %new = call ptr @new_array(ptr %kind, ptr %descr, i64 %rank, ptr %sizes, ptr %data)
  %no.heir = icmp eq ptr %new, null
  br i1 %no.heir, label %broken, label %pass
pass:
  %flags = %array->Array.flags
  %marked = and i32 %flags, $NOT_WRITEABLE
  %array->Array.flags = %marked
  call void @pass_on(ptr %array, ptr %new, ptr %tuple)
  ret ptr %new
broken:
  call void @Py_DecRef(ptr %tuple)
  br label %failed
failed:
  ret ptr null
miss:
  call void @Py_IncRef(ptr %missed)
  ret ptr %missed
}
"""


def call_text(head: int, tuple_items: int) -> str:
    """The module, for a Python whose objects have heads of so many bytes, tuples of so many.

    Example: `call_text(object.__basicsize__, tuple.__basicsize__)`.
    """
    structures = {**STRUCTURES, **_FOREIGN}
    types = [
        f"%{name} = type {{ {', '.join(fields.values())} }}" for name, fields in structures.items()
    ]
    functions = in_full(ARGUMENTS + DONATION + RESULTS + _INTERFACE, structures)
    return Template("\n".join([*types, _DECLARATIONS, functions])).substitute(
        HEAD=head,
        BEFORE_TYPE=head - 8,
        TUPLE_ITEMS=tuple_items,
        OWNS=OWNS,
        WRITEABLE=WRITEABLE,
        NOT_WRITEABLE=~WRITEABLE,
        ALL=READABLE | WRITEABLE,
    )
