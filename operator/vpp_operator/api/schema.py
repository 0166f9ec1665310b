"""Fields with prose and bounds, schemas from dataclasses, and dataclasses from what users write.

A field's Python name is the snake_case of its name in YAML. `described` carries what Python's types cannot say; rules
that span fields are CEL expressions in a class attribute `RULES`, checked by the API server before anything runs.
"""

from __future__ import annotations

import dataclasses
import operator
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from vpp_operator.errors import InvalidSpec

T = typing.TypeVar("T")
CPU = r"^([0-9]*[1-9][0-9]*(\.[0-9]+)?|[0-9]+\.[0-9]*[1-9][0-9]*)m?$"  # more than 0
BYTES = r"^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$"
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
SERVICE_NAME = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"  # a Service's name begins with a letter
LONGEST_TEXT = 253
MOST_ITEMS = 64
NOT_YET = " Not acted on yet; the condition FeaturesPending says so while it is set."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A CEL rule over fields of one object, and the sentence a user gets who breaks it."""

    name: str
    rule: str
    message: str


def described(
    text: str,
    *,
    default: Any = dataclasses.MISSING,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    pattern: str | None = None,
    enum: tuple[str, ...] | None = None,
    longest: int | None = None,
    fewest: int | None = None,
    map_key: str | None = None,
    pending: bool = False,
) -> Any:
    """Return a dataclass field with what the schema needs.

    Args:
        text: the field's prose, with its unit.
        default: without one the field is required.
        minimum: smallest value allowed; `above` excludes the bound itself.
        maximum: largest value allowed.
        above: every value must be greater than this.
        pattern: regular expression of a text.
        enum: the texts allowed, also for each item of a list.
        longest: most characters of a text, or items of a list.
        fewest: fewest items of a list.
        map_key: the items of a list are told apart by this field.
        pending: the operator does not act on it yet.
    """
    bounds = {
        "minimum": minimum,
        "maximum": maximum,
        "above": above,
        "pattern": pattern,
        "enum": enum,
        "longest": longest,
        "fewest": fewest,
        "map_key": map_key,
    }
    metadata = {"text": text + (NOT_YET if pending else ""), "pending": pending}
    metadata |= {name: value for name, value in bounds.items() if value is not None}
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def camel(name: str) -> str:
    """Return the YAML name of a Python name."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _is_dataclass(annotation: Any) -> bool:
    return isinstance(annotation, type) and dataclasses.is_dataclass(annotation)


@cache
def _types(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _optional(annotation: Any) -> Any:
    """Return the type inside `X | None`, or the type itself."""
    if isinstance(annotation, types.UnionType):
        return next(part for part in annotation.__args__ if part is not type(None))
    return annotation


def object_schema(cls: type, text: str | None = None) -> dict[str, Any]:
    """Return the structural OpenAPI schema of a dataclass."""
    properties: dict[str, Any] = {}
    required = []
    for field in dataclasses.fields(cls):
        schema = _field_schema(_optional(_types(cls)[field.name]), dict(field.metadata))
        default = _default(field)
        if default is dataclasses.MISSING:
            required.append(camel(field.name))
        elif default is not None:
            schema["default"] = default
        properties[camel(field.name)] = schema
    made: dict[str, Any] = {"type": "object"}
    if text is not None:
        made["description"] = text
    made["properties"] = properties
    if required:
        made["required"] = required
    rules = getattr(cls, "RULES", ())
    if rules:
        made["x-kubernetes-validations"] = [{"rule": rule.rule, "message": rule.message} for rule in rules]
    return made


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is dataclasses.MISSING:
        return dataclasses.MISSING
    if field.default == ():
        return None  # an absent list or map says the same
    return as_yaml(field.default)


def as_yaml(value: Any) -> Any:
    """Return a value of these dataclasses as it stands in YAML, without what is None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        pairs = ((camel(field.name), as_yaml(getattr(value, field.name))) for field in dataclasses.fields(value))
        return {name: item for name, item in pairs if item is not None and item != [] and item != {}}
    if isinstance(value, tuple):
        return [as_yaml(item) for item in value]
    if isinstance(value, Mapping):
        return {name: as_yaml(item) for name, item in value.items()}
    return value


def _field_schema(annotation: Any, metadata: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"description": metadata["text"]}
    origin = typing.get_origin(annotation)
    if origin is tuple:
        inner = typing.get_args(annotation)[0]
        item = object_schema(inner) if _is_dataclass(inner) else _item_schema(inner, metadata)
        made |= {"type": "array", "items": item, "maxItems": metadata.get("longest", MOST_ITEMS)}
        if "fewest" in metadata:
            made["minItems"] = metadata["fewest"]
        if "map_key" in metadata:
            made |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [metadata["map_key"]]}
        return made
    if origin is not None and issubclass(origin, Mapping):
        return {
            **made,
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": 1024},
            "maxProperties": 64,
        }
    if _is_dataclass(annotation):
        return {**made, **object_schema(annotation)}
    made |= _scalar(annotation)
    for name, key in (("minimum", "minimum"), ("maximum", "maximum"), ("above", "minimum"), ("pattern", "pattern")):
        if name in metadata:
            made[key] = metadata[name]
    if "above" in metadata:
        made["exclusiveMinimum"] = True
    if "enum" in metadata:
        made["enum"] = list(metadata["enum"])
    elif annotation is str:
        made["maxLength"] = metadata.get("longest", LONGEST_TEXT)
    return made


def _item_schema(annotation: Any, metadata: dict[str, Any]) -> dict[str, Any]:
    if "enum" in metadata:
        return {**_scalar(annotation), "enum": list(metadata["enum"])}
    return {**_scalar(annotation), **({"maxLength": LONGEST_TEXT} if annotation is str else {})}


def _scalar(annotation: Any) -> dict[str, Any]:
    return dict(
        {
            str: {"type": "string"},
            int: {"type": "integer", "format": "int64"},
            float: {"type": "number"},
            bool: {"type": "boolean"},
        }[annotation]
    )


def parse(cls: type[T], values: Any, path: str = "spec") -> T:
    """Return what a user wrote as a dataclass, with defaults and the checks of single fields that the schema makes.

    Fields that are unknown here are left out: the API server refuses what its CRDs do not know, and during an upgrade
    those are newer than the operator.

    Raises:
        InvalidSpec: a field is missing, of the wrong type or out of bounds.
    """
    return typing.cast(T, _parse(cls, values, path))


def _parse(cls: Any, values: Any, path: str) -> Any:
    if not isinstance(values, Mapping):
        raise InvalidSpec(path, f"must be an object, not {_shown(values)}")
    fields = {camel(field.name): field for field in dataclasses.fields(cls)}
    arguments: dict[str, Any] = {}
    for name, field in fields.items():
        if values.get(name) is None:
            if field.default is dataclasses.MISSING:
                raise InvalidSpec(f"{path}.{name}", "is missing; it has no default")
            continue
        arguments[field.name] = _value(
            _optional(_types(cls)[field.name]), values[name], dict(field.metadata), f"{path}.{name}"
        )
    return cls(**arguments)


def _value(annotation: Any, value: Any, metadata: dict[str, Any], path: str) -> Any:
    origin = typing.get_origin(annotation)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise InvalidSpec(path, f"must be a list, not {_shown(value)}")
        if len(value) < metadata.get("fewest", 0):
            raise InvalidSpec(path, f"must have at least {metadata['fewest']} items, not {len(value)}")
        if len(value) > metadata.get("longest", MOST_ITEMS):
            raise InvalidSpec(path, f"must have at most {metadata.get('longest', MOST_ITEMS)} items, not {len(value)}")
        inner = typing.get_args(annotation)[0]
        of_items = {"enum": metadata["enum"]} if "enum" in metadata else {}
        return tuple(_value(inner, item, of_items, f"{path}[{i}]") for i, item in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise InvalidSpec(path, f"must be an object, not {_shown(value)}")
        return types.MappingProxyType({str(name): str(item) for name, item in value.items()})
    if _is_dataclass(annotation):
        return _parse(annotation, value, path)
    return _checked(annotation, value, metadata, path)


def _checked(annotation: Any, value: Any, metadata: dict[str, Any], path: str) -> Any:
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    fits = {
        str: isinstance(value, str),
        int: isinstance(value, int) and not isinstance(value, bool),
        float: isinstance(value, int | float) and not isinstance(value, bool),
        bool: isinstance(value, bool),
    }
    if not fits[annotation]:
        raise InvalidSpec(path, f"must be {words[annotation]}, not {_shown(value)}")
    if "enum" in metadata and value not in metadata["enum"]:
        raise InvalidSpec(path, f"must be one of {', '.join(metadata['enum'])}, not {_shown(value)}")
    if "pattern" in metadata and not re.search(metadata["pattern"], value):
        raise InvalidSpec(path, f"must look like {metadata['pattern']}, not {_shown(value)}")
    if annotation is str and len(value) > metadata.get("longest", LONGEST_TEXT):
        raise InvalidSpec(
            path, f"must have at most {metadata.get('longest', LONGEST_TEXT)} characters, not {len(value)}"
        )
    bounds: tuple[tuple[str, str, Callable[[float, float], bool]], ...] = (
        ("minimum", "at least", operator.lt),
        ("above", "more than", operator.le),
        ("maximum", "at most", operator.gt),
    )
    for name, words_of_bound, is_broken in bounds:
        if name in metadata and is_broken(value, metadata[name]):
            raise InvalidSpec(path, f"must be {words_of_bound} {metadata[name]:g}, not {_shown(value)}")
    return float(value) if annotation is float else value


def _shown(value: Any) -> str:
    return repr(value)[:60]


def pending_fields(spec: Any, path: str = "spec") -> Iterator[str]:
    """Yield the paths of fields set away from their defaults that the operator does not act on yet."""
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        here = f"{path}.{camel(field.name)}"
        if field.metadata.get("pending"):
            if value != field.default:
                yield here
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield from pending_fields(value, here)
