"""Schemas of events: what is emitted is checked before it is sent, and what must never be compressed says so.

In: event name -> a JSON Schema, or a type that msgspec or pydantic knows; then data. Out: nothing, or an error that
names the event and the path.
Never: changes data. A schema describes what JSON says: a tuple is an array, and a date may be a text.

A schema's data is what `emit` is given: for several arguments, a tuple, a list of them; for none, None.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reznet_ws.message.fields import PayloadError
from reznet_ws.message.json_text import dumps

# Beside a field's type in a schema: the whole event travels uncompressed, since a frame is compressed whole or not.
SECRET_KEY = "never_compress"
# Data -> where it is wrong, and how; None where it is right.
_Check = Callable[[Any], "tuple[str, str] | None"]
# A schema may hold itself.
_MAX_EXAMPLE_LEVELS = 8
_MSGSPEC_PATH = re.compile(r" - at `(\$.*)`$")


class Schemas:
    """Those of one application, compiled. Raises: SchemaError for what is no schema."""

    def __init__(self, by_event: Mapping[str, Any]) -> None:
        compiled = {event: _compile(event, schema) for event, schema in by_event.items()}
        self._checks = {event: check for event, (check, _) in compiled.items()}
        self.json_schemas = {event: schema for event, (_, schema) in compiled.items()}
        # Events with a field that is never compressed.
        self.secret_events = frozenset(
            event for event, schema in self.json_schemas.items() if True in _values_of(schema, SECRET_KEY)
        )

    def check(self, event: str, data: Any) -> None:
        """Let what fits pass, and events that have no schema. Raises: PayloadError with the event and the path."""
        check = self._checks.get(event)
        if check is not None:
            found = check(list(data) if isinstance(data, tuple) else data)
            if found is not None:
                raise PayloadError(*found, event)

    def example_packets(self) -> list[str]:
        """The emptiest event of each schema, as a Socket.IO packet: what rows may begin with."""
        examples = {event: _example(schema, schema, 0) for event, schema in self.json_schemas.items()}
        return [f"2{dumps([event, data], utf8=True)}" for event, data in examples.items() if isinstance(data, dict)]


class SchemaError(ValueError):
    """What was given as a schema is none, or its library is not installed; names the event."""


def _compile(event: str, schema: Any) -> tuple[_Check, dict[str, Any]]:
    """How to check data, and the same as JSON Schema."""
    try:
        if isinstance(schema, dict):
            return _json_schema_check(schema), schema
        if hasattr(schema, "model_json_schema") or hasattr(schema, "__pydantic_core_schema__"):
            return _pydantic_check(schema)
        try:
            return _msgspec_check(schema)
        except ImportError:
            return _pydantic_check(schema)
    except ImportError as error:
        raise SchemaError(f"{event}: {error}; pip install 'reznet-ws[schemas]'") from error
    except Exception as error:  # each library has exceptions of its own for what is none
        reason = str(error).partition("\n")[0]
        raise SchemaError(f"{event}: {schema!r} is no schema: {reason}") from error


def _json_schema_check(schema: dict[str, Any]) -> _Check:
    """By `jsonschema`; what it refers to must be in it, nothing is fetched."""
    validators = importlib.import_module("jsonschema.validators")
    registry = importlib.import_module("referencing").Registry()
    kind = validators.validator_for(schema)
    kind.check_schema(schema)
    for reference in _values_of(schema, "$ref"):
        if not str(reference).startswith("#"):
            raise ValueError(f"it refers to {reference}, which is not in it")
    tuples_too = kind.TYPE_CHECKER.redefine("array", lambda _, value: isinstance(value, (list, tuple)))
    validator = validators.extend(kind, type_checker=tuples_too)(schema, registry=registry)
    best_match = importlib.import_module("jsonschema.exceptions").best_match

    def check(data: Any) -> tuple[str, str] | None:
        error = best_match(validator.iter_errors(data))
        return None if error is None else (error.json_path, error.message)

    return check


def _msgspec_check(schema: Any) -> tuple[_Check, dict[str, Any]]:
    msgspec = importlib.import_module("msgspec")

    def check(data: Any) -> tuple[str, str] | None:
        try:
            msgspec.convert(data, schema, builtin_types=(bytes, bytearray))
        except msgspec.ValidationError as error:
            said = str(error)
            found = _MSGSPEC_PATH.search(said)
            return (found[1], said[: found.start()]) if found else ("$", said)
        return None

    return check, msgspec.json.schema(schema)


def _pydantic_check(schema: Any) -> tuple[_Check, dict[str, Any]]:
    """Strict, as of JSON: a date may be a text, and a number may not."""
    pydantic = importlib.import_module("pydantic")
    adapter = pydantic.TypeAdapter(schema)

    def check(data: Any) -> tuple[str, str] | None:
        try:
            try:
                text = json.dumps(data)
            except TypeError:  # bytes in it
                adapter.validate_python(data, strict=True)
            else:
                adapter.validate_json(text, strict=True)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
            return f"${steps}", first["msg"]
        return None

    return check, adapter.json_schema()


def _example(schema: Any, root: Any, depth: int) -> Any:
    """The emptiest value that a JSON Schema may mean: all keys, no items."""
    if not isinstance(schema, dict) or depth > _MAX_EXAMPLE_LEVELS:
        return None
    if isinstance(reference := schema.get("$ref"), str):
        found = root
        for step in reference.removeprefix("#").strip("/").split("/"):
            found = found.get(step) if isinstance(found, dict) else None
        return _example(found, root, depth + 1)
    for key in ("anyOf", "oneOf"):
        values = [_example(part, root, depth + 1) for part in schema.get(key) or ()]
        if values:
            return next((value for value in values if value is not None), None)
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    kinds = schema.get("type", "object" if "properties" in schema else None)
    kind = next((one for one in kinds if one != "null"), None) if isinstance(kinds, list) else kinds
    if kind == "object":
        return {key: _example(part, root, depth + 1) for key, part in schema.get("properties", {}).items()}
    return {"string": "", "integer": 0, "number": 0, "boolean": False, "array": []}.get(str(kind))


def _values_of(schema: Any, key: str) -> Iterator[Any]:
    """What stands beside a key, anywhere in a JSON Schema."""
    parts = [schema]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            if key in part:
                yield part[key]
            parts += part.values()
        elif isinstance(part, list):
            parts += part
