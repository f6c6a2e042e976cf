"""AreaMask: a mask as an ordered list of operations that can be undone, redone and changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpcs_dash.errors import UsageError, XpcsDashError
from xpcs_dash.simplemask.operations import Bool, Context, Operation, apply_operation
from xpcs_dash.simplemask.shapes import apply_relayout, drawn, kind_of

#: Steps that can be undone.
HISTORY = 200

Operations = tuple[Operation, ...]


@dataclass(frozen=True)
class AreaMask:
    """An immutable list of operations with its history; every change gives a new one.

    Undo and redo go through lists of small records, not through copies of the detector.
    """

    shape: tuple[int, int]
    operations: Operations = ()
    past: tuple[Operations, ...] = field(default=(), repr=False)
    future: tuple[Operations, ...] = field(default=(), repr=False)

    def with_operations(self, operations: Iterable[Operation]) -> AreaMask:
        """Another list of operations, as one step of the history."""
        new = tuple(operations)
        if new == self.operations:
            return self
        if len({o.id for o in new}) != len(new):
            raise UsageError("two operations of a mask have the same id.")
        return replace(self, operations=new, past=(*self.past, self.operations)[-HISTORY:], future=())

    def add(self, operation: Operation) -> AreaMask:
        """The operation at the end."""
        return self.with_operations((*self.operations, operation))

    def remove(self, op_id: str) -> AreaMask:
        """Without one operation."""
        self.find(op_id)
        return self.with_operations(o for o in self.operations if o.id != op_id)

    def clear(self) -> AreaMask:
        """Without any operation; can be undone as everything else."""
        return self.with_operations(())

    def edit(self, op_id: str, **fields: Any) -> AreaMask:
        """With other ``params``, ``name`` or ``enabled`` of one operation."""
        changed = self.find(op_id).changed(**fields)
        return self.with_operations(changed if o.id == op_id else o for o in self.operations)

    def rename(self, op_id: str, name: str) -> AreaMask:
        """One operation under another name; an empty one gives the default name back."""
        return self.edit(op_id, name=name.strip()[:80])

    def enable(self, op_id: str, enabled: bool) -> AreaMask:
        """One operation switched on or off."""
        return self.edit(op_id, enabled=enabled)

    def move(self, op_id: str, position: int) -> AreaMask:
        """One operation at another place of the list."""
        operation = self.find(op_id)
        rest = [o for o in self.operations if o.id != op_id]
        rest.insert(max(0, min(position, len(rest))), operation)
        return self.with_operations(rest)

    def undo(self) -> AreaMask:
        """One step back; the same where there is none."""
        if not self.past:
            return self
        return replace(
            self, operations=self.past[-1], past=self.past[:-1], future=(*self.future, self.operations)
        )

    def redo(self) -> AreaMask:
        """One step forth; the same where there is none."""
        if not self.future:
            return self
        return replace(
            self, operations=self.future[-1], past=(*self.past, self.operations), future=self.future[:-1]
        )

    def find(self, op_id: str) -> Operation:
        """One operation by its id."""
        for operation in self.operations:
            if operation.id == op_id:
                return operation
        raise UsageError("this step of the mask is gone; it may have been undone or deleted elsewhere.")

    def drawings(self) -> list[dict[str, Any]]:
        """The drawn shapes in order, named by their operation's id, as Plotly takes them."""
        return [drawn({**o.params["shape"], "name": o.id}) for o in self.operations if o.kind == "shape"]

    def relayout(self, event: Mapping[str, Any] | None, mode: str = "out", width: float = 3.0) -> AreaMask:
        """After a ``relayoutData`` event of the graph: shapes drawn, moved, resized or deleted.

        ``mode`` and ``width`` go to shapes that are new.
        """
        before = [{**o.params["shape"], "name": o.id} for o in self.operations if o.kind == "shape"]
        after = apply_relayout(before, event)
        known = {s["name"]: s for s in before}
        kept: dict[str, dict[str, Any]] = {}
        new: list[Operation] = []
        for shape in after:
            name = shape.get("name")
            if name in known and name not in kept:
                kept[str(name)] = shape
            else:
                bare = {k: v for k, v in shape.items() if k != "name"}
                title = f"{kind_of(bare).capitalize()} {self._next_number(bare) + len(new)}"
                new.append(Operation("shape", {"shape": bare, "mode": mode, "width": width}, name=title))
        operations = [self._moved(o, kept) for o in self.operations if o.kind != "shape" or o.id in kept]
        return self.with_operations((*operations, *new))

    def _moved(self, operation: Operation, kept: Mapping[str, dict[str, Any]]) -> Operation:
        if operation.kind != "shape":
            return operation
        bare = {k: v for k, v in kept[operation.id].items() if k != "name"}
        if bare == dict(operation.params["shape"]):
            return operation
        return operation.changed(params={**operation.params, "shape": bare})

    def _next_number(self, shape: Mapping[str, Any]) -> int:
        word = kind_of(shape).capitalize()
        used = [o.name.removeprefix(word).strip() for o in self.operations if o.name.startswith(word)]
        return max((int(n) for n in used if n.isdigit()), default=0) + 1

    def compute(self, context: Context) -> tuple[Bool, dict[str, str]]:
        """The mask and what went wrong.

        Parameters
        ----------
        context : image, maps and imported masks.

        Returns
        -------
        mask (H, W) bool, True for valid pixels, and a sentence for the id of each enabled operation that
        could not be applied and was left out.
        """
        mask = np.ones(self.shape, dtype=bool)
        problems: dict[str, str] = {}
        for operation in self.operations:
            if operation.enabled:
                try:
                    apply_operation(mask, operation, context)
                except XpcsDashError as err:
                    problems[operation.id] = str(err)
        return mask, problems

    def product(self, context: Context) -> NDArray[np.int32]:
        """The mask: (H, W) int32, 0 masked, 1 valid.

        Raises
        ------
        UsageError
            Where an enabled operation cannot be applied: a mask that lacks a step must not be exported.
        """
        mask, problems = self.compute(context)
        if problems:
            name, reason = next((o.name, problems[o.id]) for o in self.operations if o.id in problems)
            raise UsageError(f"{name}: {reason}")
        return mask.astype(np.int32)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form with the history; operations that occur in many steps are stored once."""
        pool: list[dict[str, Any]] = []
        seen: dict[int, int] = {}

        def number(operation: Operation) -> int:
            if id(operation) not in seen:
                seen[id(operation)] = len(pool)
                pool.append(operation.to_dict())
            return seen[id(operation)]

        def listed(steps: Sequence[Operations]) -> list[list[int]]:
            return [[number(o) for o in step] for step in steps]

        return {
            "shape": list(self.shape),
            "operations": [number(o) for o in self.operations],
            "past": listed(self.past),
            "future": listed(self.future),
            "pool": pool,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AreaMask:
        """The inverse of `to_dict`."""
        pool = [Operation.from_dict(d) for d in data["pool"]]

        def step(numbers: Sequence[int]) -> Operations:
            return tuple(pool[n] for n in numbers)

        return cls(
            (int(data["shape"][0]), int(data["shape"][1])),
            step(data["operations"]),
            tuple(step(s) for s in data["past"]),
            tuple(step(s) for s in data["future"]),
        )
