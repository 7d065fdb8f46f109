"""Whether the nodes of an ONNX model have the form that its operator set gives them.

Engines refuse attributes, inputs and types that an operator does not have; here, an attribute of
another operator set that nobody asks for would be left out without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from snn_core.errors import ParseError, brief
from snn_core.parsing.base import require

_OLDEST_IR = 3
"""Before it, a model did not say which operator set it is for."""


def require_ir_version(model: Any) -> None:
    """Make sure that this installation knows the version of the file format.

    Raises
    ------
    ParseError
        If it does not.
    """
    newest = require("onnx", extra="onnx").IR_VERSION
    if not _OLDEST_IR <= model.ir_version <= newest:
        raise ParseError(
            f"The model is stored in version {model.ir_version} of the format (ir_version); this "
            f"installation reads {_OLDEST_IR} to {newest}. Export it again, or update onnx."
        )


class Types:
    """The types of the tensors of a graph by name, and the forms of its nodes.

    Parameters
    ----------
    opset
        Version of the standard operators.
    numbers
        Element types of tensors, ``TensorProto.DataType``, by name.
    """

    def __init__(self, opset: int, numbers: Mapping[str, int]) -> None:
        self._opset = opset
        self._found = {name: self._describe(number) for name, number in numbers.items()}

    def require(self, node: Any, name: str) -> None:
        """Make sure that a node has the form of its operator, and keep the types of its outputs.

        Operators that there are not are left to those who list them.

        Parameters
        ----------
        name
            What the node is called in messages.

        Raises
        ------
        ParseError
            Names what is missing, too much or of another type.
        """
        defs = require("onnx.defs", extra="onnx")
        try:
            schema = defs.get_schema(node.op_type, self._opset)
        except defs.SchemaError:
            return
        problems = ["it is deprecated"] if schema.deprecated else [
            *_attribute_problems(node, schema),
            *_number_problems(node, schema),
            *self._type_problems(node, schema),
        ]  # fmt: skip
        if problems:
            raise ParseError(
                f"Operator {name} ({node.op_type}) is not as operator set {self._opset} has it: "
                f"{'; '.join(dict.fromkeys(problems))}. Export the model again."
            )

    def require_declared(self, target: Any) -> None:
        """Make sure that an output of the graph has the type that is declared."""
        number = target.type.tensor_type.elem_type
        found = self._found.get(target.name)
        if number and found and self._describe(number) != found:
            raise ParseError(
                f"The output {target.name!r} is {found}, and declared as "
                f"{self._describe(number)}; export the model again."
            )

    def _type_problems(self, node: Any, schema: Any) -> Iterator[str]:
        """Yield inputs whose types an operator does not take, alone or together."""
        allowed = {item.type_param_str: item.allowed_type_strs for item in schema.type_constraints}
        bound: dict[str, str] = {}
        for place, name in enumerate(node.input):
            formal = schema.inputs[min(place, len(schema.inputs) - 1)]
            found = self._found.get(name)
            if not name or found is None:
                continue
            if found not in allowed.get(formal.type_str, (formal.type_str,)):
                yield f"its input {formal.name!r} is {found}, which it does not take"
            elif formal.is_homogeneous and bound.setdefault(formal.type_str, found) != found:
                yield f"its inputs are {bound[formal.type_str]} and {found}, which differ"
        for place, name in enumerate(node.output):
            formal = schema.outputs[min(place, len(schema.outputs) - 1)]
            told = None if formal.type_str in allowed else formal.type_str
            self._found[name] = bound.get(formal.type_str, told)
        self._found |= {name: self._describe(number) for name, number in _chosen(node)}

    def _describe(self, number: int) -> str | None:
        kinds = require("onnx", extra="onnx").TensorProto.DataType
        return f"tensor({kinds.Name(number).lower()})" if number in kinds.values() else None


def _chosen(node: Any) -> Iterator[tuple[str, int]]:
    """Yield the outputs whose types a node chooses by an attribute, with their types."""
    for item in node.attribute:
        if (node.op_type, item.name) == ("Cast", "to"):
            yield node.output[0], item.i
        if node.op_type in ("Constant", "ConstantOfShape") and item.name == "value":
            yield node.output[0], item.t.data_type


def _attribute_problems(node: Any, schema: Any) -> Iterator[str]:
    """Yield attributes that an operator does not have, or of other types, and those it lacks."""
    kinds = require("onnx", extra="onnx").AttributeProto.AttributeType
    given = set()
    for item in node.attribute:
        given.add(item.name)
        known = schema.attributes.get(item.name)
        if known is None:
            yield f"it has an attribute {brief(item.name)}, which is not known"
        elif item.type != int(known.type.value):
            found = kinds.Name(item.type) if item.type in kinds.values() else item.type
            yield f"its attribute {item.name!r} is of type {found}, not {known.type.name}"
    for name, known in schema.attributes.items():
        if known.required and name not in given:
            yield f"it lacks the attribute {name!r}"


def _number_problems(node: Any, schema: Any) -> Iterator[str]:
    """Yield how many inputs or outputs are too many or too few, and which are left out."""
    for what, names, formals, least, most in (
        ("inputs", node.input, schema.inputs, schema.min_input, schema.max_input),
        ("outputs", node.output, schema.outputs, schema.min_output, schema.max_output),
    ):
        if not least <= len(names) <= most:
            yield f"it has {len(names)} {what}"
        for name, formal in zip(names, formals, strict=False):
            if not name and what == "inputs" and formal.option.name == "Single":
                yield f"it lacks its input {formal.name!r}"
