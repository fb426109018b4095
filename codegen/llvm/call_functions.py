"""The functions behind `gc_call`, as LLVM text with short forms (`short_forms.py`)."""

from __future__ import annotations

ARGUMENTS = """
; Find every container and array of the arguments.
define internal i1 @find(ptr %plan, ptr %arguments, ptr %slots) nounwind {
entry:
  %count = %plan->Plan.find_count
  %records = %plan->Plan.finds
  each %i below %count
  %record = getelementptr %Find, ptr %records, i64 %i
  %access = %record->Find.access
  %parent.slot = %record->Find.parent
  %key = %record->Find.key
  switch i64 %access, label %argument [
    i64 1, label %tuple
    i64 2, label %list
    i64 3, label %dict
    i64 4, label %attribute
    i64 5, label %attribute
  ]
argument:
  %argument.at = getelementptr ptr, ptr %arguments, i64 %key
  br label %item
tuple:
  %a.tuple = ptr %slots[%parent.slot]
  %tuple.items = getelementptr i8, ptr %a.tuple, i64 $TUPLE_ITEMS
  %tuple.at = getelementptr ptr, ptr %tuple.items, i64 %key
  br label %item
list:
  %a.list = ptr %slots[%parent.slot]
  %list.items = %a.list->List.items
  %list.at = getelementptr ptr, ptr %list.items, i64 %key
  br label %item
item:
  %at = phi ptr [ %argument.at, %argument ], [ %tuple.at, %tuple ], [ %list.at, %list ]
  %an.item = load ptr, ptr %at
  br label %check
dict:
  %a.dict = ptr %slots[%parent.slot]
  %key.object = inttoptr i64 %key to ptr
  %value = call ptr @PyDict_GetItemWithError(ptr %a.dict, ptr %key.object)
  %absent = icmp eq ptr %value, null
  br i1 %absent, label %other, label %check
attribute:
  %owner = ptr %slots[%parent.slot]
  %name = inttoptr i64 %key to ptr
  %field = call ptr @PyObject_GetAttr(ptr %owner, ptr %name)
  %missing = icmp eq ptr %field, null
  br i1 %missing, label %other, label %borrow
borrow:
  call void @Py_DecRef(ptr %field)  ; its owner holds it
  %is.child = icmp eq i64 %access, 4
  br i1 %is.child, label %check, label %fixed
fixed:
  %expected = %record->Find.type
  %unchanged = icmp eq ptr %field, %expected
  br i1 %unchanged, label %keep, label %other
check:
  %object = phi ptr [ %an.item, %item ], [ %value, %dict ], [ %field, %borrow ]
  %type = call ptr @type_of(ptr %object)
  %wanted = %record->Find.type
  %same = icmp eq ptr %type, %wanted
  br i1 %same, label %sized, label %other
sized:
  %size = %record->Find.size
  %any = icmp slt i64 %size, 0
  br i1 %any, label %keep, label %count.them
count.them:
  %have = %object->Object.size
  %full = icmp eq i64 %have, %size
  br i1 %full, label %keep, label %other
keep:
  %kept = phi ptr [ %object, %sized ], [ %object, %count.them ], [ %field, %fixed ]
  ptr %slots[%i] = %kept
  next %i
  ret i1 true
other:
  ret i1 false
}

; Whether every array is of its type, readable as it lies, and not spent.
define internal i1 @admit(ptr %plan, ptr %slots, ptr %inputs) nounwind {
entry:
  %count = %plan->Plan.input_count
  %records = %plan->Plan.inputs
  each %i below %count
  %record = getelementptr %Input, ptr %records, i64 %i
  %slot = %record->Input.slot
  %array = ptr %slots[%slot]
  %wanted = %record->Input.descr
  %descr = %array->Array.descr
  %typed = icmp eq ptr %descr, %wanted
  br i1 %typed, label %rank, label %other
rank:
  %rank.wanted = %record->Input.rank
  %nd = %array->Array.rank
  %nd.long = zext i32 %nd to i64
  %ranked = icmp eq i64 %nd.long, %rank.wanted
  br i1 %ranked, label %flags, label %other
flags:
  %need = %record->Input.flags
  %flags.now = %array->Array.flags
  %flags.long = zext i32 %flags.now to i64
  %set = and i64 %flags.long, %need
  %readable = icmp eq i64 %set, %need
  br i1 %readable, label %base, label %other
base:
  %sizes = %record->Input.sizes
  %have = %array->Array.sizes
  %holder = %array->Array.base
  %alone = icmp eq ptr %holder, null
  br i1 %alone, label %axis, label %held
held:
  %type = call ptr @type_of(ptr %holder)
  %tuple = %plan->Plan.tuple_type
  %spent = icmp eq ptr %type, %tuple
  br i1 %spent, label %other, label %axis
axis:
  each %d below %nd.long
  %size = i64 %sizes[%d]
  %own = i64 %have[%d]
  %fits = icmp eq i64 %own, %size
  br i1 %fits, label %along, label %other
along:
  next %d
  ptr %inputs[%i] = %array
  next %i
  ret i1 true
other:
  ret i1 false
}

define internal ptr @type_of(ptr %object) nounwind alwaysinline {
  %type = %object->Object.type
  ret ptr %type
}

"""

DONATION = """
; Whether an array alone decides on its memory: it owns it, or it is the result on a lease.
define internal i1 @owns(ptr %array, ptr %lease) nounwind {
entry:
  %base = %array->Array.base
  %alone = icmp eq ptr %base, null
  br i1 %alone, label %flag, label %leased
flag:
  %flags = %array->Array.flags
  %own = and i32 %flags, $OWNS
  %owning = icmp ne i32 %own, 0
  ret i1 %owning
leased:
  %type = call ptr @type_of(ptr %base)
  %on.lease = icmp eq ptr %type, %lease
  ret i1 %on.lease
}

define internal i1 @is_writeable(ptr %array) nounwind {
  %flags = %array->Array.flags
  %set = and i32 %flags, $WRITEABLE
  %writeable = icmp ne i32 %set, 0
  ret i1 %writeable
}

; Make donated arrays unwriteable, which also marks them while the others are looked at: none of
; these may be a donated array, a view of one, or an array over memory that is not an array's.
define internal i1 @claim(ptr %plan, ptr %inputs) nounwind {
entry:
  %count = %plan->Plan.input_count
  %records = %plan->Plan.inputs
  %lease = %plan->Plan.lease_type
  %kind = %plan->Plan.array_type
  each %i below %count
  %array = ptr %inputs[%i]
  %donated = call i1 @is_donated(ptr %records, i64 %i)
  br i1 %donated, label %take, label %skip
take:
  %owning = call i1 @owns(ptr %array, ptr %lease)
  %writeable = call i1 @is_writeable(ptr %array)
  %free = and i1 %owning, %writeable
  br i1 %free, label %mark, label %undo
mark:
  %flags = %array->Array.flags
  %marked = and i32 %flags, $NOT_WRITEABLE
  %array->Array.flags = %marked
  br label %skip
skip:
  next %i
  each %k below %count
  %an.other = ptr %inputs[%k]
  %is.donated = call i1 @is_donated(ptr %records, i64 %k)
  br i1 %is.donated, label %apart, label %own
own:
  %unmarked = call i1 @is_writeable(ptr %an.other)
  %of.its.own = call i1 @owns(ptr %an.other, ptr %lease)
  %good = and i1 %unmarked, %of.its.own
  br i1 %good, label %apart, label %view
view:
  %base = %an.other->Array.base
  %baseless = icmp eq ptr %base, null
  %refused = xor i1 %unmarked, true
  %bad = or i1 %baseless, %refused
  br i1 %bad, label %undo, label %array.base
array.base:
  %base.type = call ptr @type_of(ptr %base)
  %is.array = icmp eq ptr %base.type, %kind
  br i1 %is.array, label %of.base, label %undo
of.base:
  %base.owns = call i1 @owns(ptr %base, ptr %lease)
  %base.unmarked = call i1 @is_writeable(ptr %base)
  %fine = and i1 %base.owns, %base.unmarked
  br i1 %fine, label %apart, label %undo
apart:
  next %k
  ret i1 true
undo:
  %marks = phi i64 [ %i, %take ], [ %count, %view ], [ %count, %array.base ], [ %count, %of.base ]
  call void @unclaim(ptr %records, ptr %inputs, i64 %marks)
  ret i1 false
}

define internal i1 @is_donated(ptr %records, i64 %i) nounwind alwaysinline {
  %record = getelementptr %Input, ptr %records, i64 %i
  %value = %record->Input.donated
  %donated = icmp ne i64 %value, 0
  ret i1 %donated
}

; Make the donated ones of the first arrays writeable again.
define internal void @unclaim(ptr %records, ptr %inputs, i64 %count) nounwind {
entry:
  each %i below %count
  %donated = call i1 @is_donated(ptr %records, i64 %i)
  br i1 %donated, label %unmark, label %skip
unmark:
  %array = ptr %inputs[%i]
  %flags = %array->Array.flags
  %unmarked = or i32 %flags, $WRITEABLE
  %array->Array.flags = %unmarked
  br label %skip
skip:
  next %i
  ret void
}

; The new array decides on the memory from now on; the old one keeps it alive through a tuple.
define internal void @pass_on(ptr %old, ptr %new, ptr %tuple) nounwind {
entry:
  call void @Py_IncRef(ptr %new)
  %item = getelementptr i8, ptr %tuple, i64 $TUPLE_ITEMS
  store ptr %new, ptr %item
  %base = %old->Array.base
  %old->Array.base = %tuple
  %new->Array.base = %base
  %flags = %old->Array.flags
  %own = and i32 %flags, $OWNS
  %left = xor i32 %flags, %own
  %old->Array.flags = %left
  %new.flags = %new->Array.flags
  %owning = or i32 %new.flags, %own
  %new->Array.flags = %owning
  %handler = %old->Array.handler
  %old->Array.handler = null
  %new->Array.handler = %handler
  ret void
}
"""

RESULTS = """
; An array of its own, or over given memory, which somebody must keep alive.
define internal ptr @new_array(ptr %kind, ptr %descr, i64 %rank, ptr %sizes, ptr %data) nounwind {
  call void @Py_IncRef(ptr %descr)
  %nd = trunc i64 %rank to i32
  %fresh = icmp eq ptr %data, null
  %flags = select i1 %fresh, i32 0, i32 $ALL
  %array = call ptr @PyArray_NewFromDescr(ptr %kind, ptr %descr, i32 %nd, ptr %sizes, ptr null,
                                          ptr %data, i32 %flags, ptr null)
  ret ptr %array
}

; Arrays for the results, and a tuple for each that takes a donated array's memory.
define internal i1 @make_results(ptr %plan, ptr %inputs, ptr %outputs, ptr %tuples) nounwind {
entry:
  %count = %plan->Plan.output_count
  %records = %plan->Plan.outputs
  %kind = %plan->Plan.array_type
  each %i below %count
  %record = getelementptr %Output, ptr %records, i64 %i
  %descr = %record->Output.descr
  %rank = %record->Output.rank
  %sizes = %record->Output.sizes
  %source = %record->Output.source
  ptr %tuples[%i] = null
  %own = icmp slt i64 %source, 0
  br i1 %own, label %fresh, label %donated
fresh:
  %new = call ptr @new_array(ptr %kind, ptr %descr, i64 %rank, ptr %sizes, ptr null)
  ptr %outputs[%i] = %new
  %failed = icmp eq ptr %new, null
  br i1 %failed, label %drop, label %keep
donated:
  %old = ptr %inputs[%source]
  %data = %old->Array.data
  %heir = call ptr @new_array(ptr %kind, ptr %descr, i64 %rank, ptr %sizes, ptr %data)
  ptr %outputs[%i] = %heir
  %tuple = call ptr @PyTuple_New(i64 1)
  ptr %tuples[%i] = %tuple
  %no.heir = icmp eq ptr %heir, null
  %no.tuple = icmp eq ptr %tuple, null
  %broken = or i1 %no.heir, %no.tuple
  br i1 %broken, label %drop, label %keep
keep:
  next %i
  ret i1 true
drop:
  %made = add i64 %i, 1
  call void @drop(ptr %outputs, i64 %made)
  call void @drop(ptr %tuples, i64 %made)
  ret i1 false
}

; While native code runs, other threads may take the arrays out of their containers.
define internal void @hold(ptr %objects, i64 %count) nounwind {
entry:
  each %i below %count
  %object = ptr %objects[%i]
  call void @Py_IncRef(ptr %object)
  next %i
  ret void
}

define internal void @drop(ptr %objects, i64 %count) nounwind {
entry:
  each %i below %count
  %object = ptr %objects[%i]
  call void @Py_DecRef(ptr %object)
  next %i
  ret void
}

; Every donated array hands its memory to its result.
define internal void @hand_over(ptr %plan, ptr %inputs, ptr %outputs, ptr %tuples) nounwind {
entry:
  %count = %plan->Plan.output_count
  %records = %plan->Plan.outputs
  each %i below %count
  %record = getelementptr %Output, ptr %records, i64 %i
  %source = %record->Output.source
  %own = icmp slt i64 %source, 0
  br i1 %own, label %skip, label %pass
pass:
  %old = ptr %inputs[%source]
  %new = ptr %outputs[%i]
  %tuple = ptr %tuples[%i]
  call void @pass_on(ptr %old, ptr %new, ptr %tuple)
  br label %skip
skip:
  next %i
  ret void
}

; The tree of the results, built on a stack; null after an error, which is set.
define internal ptr @build(ptr %plan, ptr %outputs, ptr %stack) nounwind {
entry:
  %count = %plan->Plan.step_count
  %records = %plan->Plan.steps
  %top.at = alloca i64
  store i64 0, ptr %top.at
  each %i below %count
  %top = load i64, ptr %top.at
  %record = getelementptr %Step, ptr %records, i64 %i
  %kind = %record->Step.kind
  %number = %record->Step.count
  %extra = %record->Step.extra
  %below = sub i64 %top, %number
  %items = getelementptr ptr, ptr %stack, i64 %below
  %bytes = mul i64 %number, 8
  switch i64 %kind, label %result [
    i64 1, label %tuple
    i64 2, label %list
    i64 3, label %dict
    i64 4, label %none
  ]
result:
  %an.array = ptr %outputs[%number]
  br label %push
none:
  call void @Py_IncRef(ptr %extra)
  br label %push
tuple:
  %a.tuple = call ptr @PyTuple_New(i64 %number)
  %no.tuple = icmp eq ptr %a.tuple, null
  br i1 %no.tuple, label %failed, label %tuple.fill
tuple.fill:
  %tuple.items = getelementptr i8, ptr %a.tuple, i64 $TUPLE_ITEMS
  call void @llvm.memcpy.p0.p0.i64(ptr %tuple.items, ptr %items, i64 %bytes, i1 false)
  %plain = icmp eq ptr %extra, null
  br i1 %plain, label %push, label %named
named:
  %a.named = call ptr @PyObject_CallObject(ptr %extra, ptr %a.tuple)
  call void @Py_DecRef(ptr %a.tuple)
  %no.named = icmp eq ptr %a.named, null
  br i1 %no.named, label %failed, label %push
list:
  %a.list = call ptr @PyList_New(i64 %number)
  %no.list = icmp eq ptr %a.list, null
  br i1 %no.list, label %failed, label %list.fill
list.fill:
  %list.items = %a.list->List.items
  call void @llvm.memcpy.p0.p0.i64(ptr %list.items, ptr %items, i64 %bytes, i1 false)
  br label %push
dict:
  %a.dict = call ptr @PyDict_New()
  %no.dict = icmp eq ptr %a.dict, null
  br i1 %no.dict, label %failed, label %entries
entries:
  each %k below %number
  %keys = getelementptr i8, ptr %extra, i64 $TUPLE_ITEMS
  %key = ptr %keys[%k]
  %value = ptr %items[%k]
  %status = call i32 @PyDict_SetItem(ptr %a.dict, ptr %key, ptr %value)
  call void @Py_DecRef(ptr %value)
  %wrong = icmp ne i32 %status, 0
  br i1 %wrong, label %failed, label %entered
entered:
  next %k
  br label %push
push:
  %object = phi ptr [ %an.array, %result ], [ %extra, %none ], [ %a.tuple, %tuple.fill ],
                    [ %a.named, %named ], [ %a.list, %list.fill ], [ %a.dict, %k.end ]
  %place = phi i64 [ %top, %result ], [ %top, %none ], [ %below, %tuple.fill ],
                   [ %below, %named ], [ %below, %list.fill ], [ %below, %k.end ]
  ptr %stack[%place] = %object
  %top.next = add i64 %place, 1
  store i64 %top.next, ptr %top.at
  next %i
  %whole = load ptr, ptr %stack
  ret ptr %whole
failed:
  ret ptr null
}
"""
