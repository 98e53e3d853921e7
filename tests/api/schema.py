"""The parts of JSON Schema that docs/api/openapi.json uses: checks values, and makes wrong ones."""

import copy
import itertools
import re

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
         "null": type(None)}
# One value of each JSON type, and another of some.
TEXT = "no such é /"
SAMPLES = [None, True, False, 0, -1, 1.5, TEXT, [], {}, [{}]]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def has_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


class Schemas:
    """The schemas of a description."""

    def __init__(self, description):
        self.root = description

    def resolve(self, schema):
        """The schema that `schema` refers to, or itself."""
        while "$ref" in schema:
            node = self.root
            for part in schema["$ref"].split("/")[1:]:
                node = node[part]
            schema = node
        return schema

    def body(self, schema):
        """The same; of one that may be null too, the other."""
        schema = self.resolve(schema)
        if "anyOf" in schema and "type" not in schema:
            schema = self.resolve(next(each for each in schema["anyOf"] if each.get("type") != "null"))
        return schema

    def wrong(self, schema, value, at=""):
        """What is wrong with a value, or None."""
        schema = self.resolve(schema)
        if "anyOf" in schema:
            found = [self.wrong(each, value, at) for each in schema["anyOf"]]
            if None not in found:
                return f"{at}: none of {found}"
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kinds and not any(has_type(value, kind) for kind in kinds):
            return f"{at}: {value!r} is not {' or '.join(kinds)}"
        if "enum" in schema and value not in schema["enum"]:
            return f"{at}: {value!r} is not of {schema['enum']}"
        if "const" in schema and value != schema["const"]:
            return f"{at}: {value!r} is not {schema['const']!r}"
        if isinstance(value, dict):
            return self.wrong_object(schema, value, at)
        if isinstance(value, list):
            return self.wrong_array(schema, value, at)
        return self.wrong_scalar(schema, value, at)

    def wrong_object(self, schema, value, at):
        properties = schema.get("properties", {})
        extra = schema.get("additionalProperties", True)
        for name in schema.get("required", []):
            # A field that is null is as absent, but where it may be null.
            if name not in value:
                return f"{at}: no {name}"
        if "minProperties" in schema and len(value) < schema["minProperties"]:
            return f"{at}: too few fields"
        for name, field in value.items():
            if name not in properties and extra is False:
                return f"{at}: no field is called {name}"
            inner = properties.get(name, extra if isinstance(extra, dict) else {})
            if found := self.wrong(inner, field, f"{at}/{name}"):
                return found
        return None

    def wrong_array(self, schema, value, at):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return f"{at}: {len(value)} elements"
        found = (self.wrong(schema.get("items", {}), item, f"{at}/{index}")
                 for index, item in enumerate(value))
        return next(filter(None, found), None)

    @staticmethod
    def wrong_scalar(schema, value, at):
        if isinstance(value, str):
            if "pattern" in schema and not re.search(schema["pattern"], value):
                return f"{at}: {value!r} does not match {schema['pattern']}"
            if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
                return f"{at}: {len(value)} letters"
        elif isinstance(value, int) and not isinstance(value, bool):
            if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
                return f"{at}: {value} is out of range"
        return None

    def mutations(self, schema, value, at=()):
        """(where, label, value) for each way in which a field of an object can be other than it is."""
        schema = self.body(schema)
        yield (*at, "no_such_field"), "unknown", {**value, "no_such_field": 1}
        for name, field in schema["properties"].items():
            without = {key: each for key, each in value.items() if key != name}
            yield (*at, name), "absent", without
            for label, other in self.values(field, value.get(name)):
                yield (*at, name), label, {**value, name: other}
            for where, label, other in self.inside(field, value.get(name), (*at, name)):
                yield where, label, {**value, name: other}

    def inside(self, schema, value, at):
        """The mutations of what is nested in a value."""
        schema = self.body(schema)
        if isinstance(value, dict) and "properties" in schema:
            yield from self.mutations(schema, value, at)
        elif isinstance(value, list) and value and "properties" in self.body(schema.get("items", {})):
            for where, label, other in self.mutations(schema["items"], value[0], (*at, 0)):
                yield where, label, [other, *value[1:]]

    def values(self, schema, now):
        """(label, value) for each kind of value, and each edge, that a field can have."""
        schema = self.body(schema)
        for sample in SAMPLES:
            yield f"is {sample!r}", copy.deepcopy(sample)
        for edge, step in (("minimum", -1), ("maximum", 1)):
            if edge in schema:
                yield edge, schema[edge]
                yield f"{edge}{step:+}", schema[edge] + step
        for variant in schema.get("enum", []):
            yield f"is {variant!r}", variant
        if "minLength" in schema:
            yield "minLength-1", ""
        if "maxLength" in schema and isinstance(now, str):
            longest = now + "x" * (schema["maxLength"] - len(now))
            yield "maxLength", longest
            yield "maxLength+1", longest + "x"
        if "minItems" in schema:
            yield "minItems-1", []
        if "maxItems" in schema and isinstance(now, list) and now and schema["maxItems"]:
            yield "maxItems", list(itertools.islice(others(now[0]), schema["maxItems"]))
            yield "maxItems+1", list(itertools.islice(others(now[0]), schema["maxItems"] + 1))


def others(element):
    """The element again and again, with every text in it made another."""
    for letter in LETTERS:
        yield {name: value + letter if isinstance(value, str) else value
               for name, value in element.items()} if isinstance(element, dict) else element + letter
