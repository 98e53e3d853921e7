"""The parts of the Python client that are made from the API description: its types and its requests."""

import textwrap

import api_reference

PLAIN = {"integer": "int", "boolean": "bool", "string": "str", "null": "None"}
RESULT = "application/json"


def docstring(text, indent):
    """A docstring's lines."""
    lines = textwrap.wrap(text, 92)
    if len(lines) == 1:
        return [f'{indent}"""{text}"""']
    return [f'{indent}"""{lines[0]}', *[indent + line for line in lines[1:]], f'{indent}"""']


def class_name(parent, field):
    """The name of an object that is described within another."""
    return parent + "".join(word.capitalize() for word in field.replace("-", "_").split("_"))


def annotation(schema, name, inner):
    """A schema as a Python type; objects within it are appended to `inner` as (name, schema)."""
    if "anyOf" in schema and "type" not in schema:
        found = [annotation(each, name, inner) for each in schema["anyOf"]]
        return " | ".join(dict.fromkeys(found))
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    if "enum" in schema:
        return f"Literal[{', '.join(repr(value) for value in schema['enum'])}]"
    kinds = schema.get("type", "Any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return " | ".join(annotation_of(kind, schema, name, inner) for kind in kinds)


def annotation_of(kind, schema, name, inner):
    if kind == "array":
        return f"list[{annotation(schema['items'], name, inner)}]"
    if kind == "object" and "properties" in schema:
        inner.append((name, schema))
        return name
    if kind == "object":
        extra = schema.get("additionalProperties")
        return f"dict[str, {annotation(extra, name, inner) if isinstance(extra, dict) else 'Any'}]"
    return PLAIN.get(kind, kind)


def typed_dict(name, schema):
    """The class of an object, behind those of the objects within it."""
    if "properties" not in schema:
        return f"{name} = dict[str, Any]\n"
    required, inner, fields = schema.get("required", []), [], []
    for field, described in schema["properties"].items():
        text = annotation(described, class_name(name, field), inner)
        fields.append((field, text if field in required else f"NotRequired[{text}]"))
    before = "".join(f"{typed_dict(*each)}\n\n" for each in inner)
    if all(field.isidentifier() for field, _ in fields):
        lines = [f"class {name}(TypedDict):", *docstring(schema["description"], "    "), "",
                 *[f"    {field}: {text}" for field, text in fields]]
    else:
        about = textwrap.wrap(schema["description"], 98, initial_indent="# ", subsequent_indent="# ")
        lines = [*about, f'{name} = TypedDict("{name}", {{',
                 *[f'    "{field}": "{text}",' for field, text in fields], "})"]
    return before + "\n".join(lines) + "\n"


def referred(value):
    """The names of the schemas that a part of the description refers to."""
    if isinstance(value, dict):
        own = {value["$ref"].rsplit("/", 1)[1]} if "$ref" in value else set()
        return own.union(*map(referred, value.values()))
    return set().union(*map(referred, value)) if isinstance(value, list) else set()


def body_names(description):
    """The names of the schemas of what is asked: of requests' bodies, and of what is within."""
    found, schemas = set(), description["components"]["schemas"]
    more = {name for methods in description["paths"].values() for operation in methods.values()
            for name in referred(operation.get("requestBody"))}
    while more:
        found |= more
        more = referred([schemas[name] for name in more]) - found
    return found


def types_text(description, names, about, *imports):
    """A module of the types of these names, in the description's order."""
    classes = [typed_dict(name, schema) for name, schema in description["components"]["schemas"].items()
               if name in names]
    content = "\n\n".join(classes)
    typing = [name for name in ("Any", "Literal", "NotRequired", "TypedDict") if name in content]
    return "\n".join([f'"""{about} Made by scripts/api-generate from docs/api/openapi.json."""', "",
                      "from __future__ import annotations", "", f"from typing import {', '.join(typing)}",
                      *imports, "", "", content])


def listed(words):
    """Lines of the words, within brackets."""
    return textwrap.wrap(", ".join(words), 94, initial_indent="    ", subsequent_indent="    ")


def bodies_module(description):
    """The text of clients/python/ember/types/bodies.py."""
    return types_text(description, body_names(description), "The bodies of requests.")


def answers_module(description):
    """The text of clients/python/ember/types/answers.py."""
    bodies = body_names(description)
    names = description["components"]["schemas"].keys() - bodies
    used = referred([description["components"]["schemas"][name] for name in names]) & bodies
    return types_text(description, names, "What requests are answered.",
                      "", "from .bodies import (", *listed(sorted(used)), ")")


def types_module(description):
    """The text of clients/python/ember/types/__init__.py."""
    bodies = body_names(description)
    names = {"answers": description["components"]["schemas"].keys() - bodies, "bodies": bodies}
    lines = ['"""The bodies of requests and answers. Made by scripts/api-generate from '
             'docs/api/openapi.json."""', ""]
    for module, found in names.items():
        lines += [f"from .{module} import (", *listed(sorted(found)), ")"]
    quoted = [f'"{name}"' for name in sorted(set().union(*names.values()))]
    return "\n".join([*lines, "", "__all__ = [", *listed(quoted), "]", ""])


def method_name(method, path):
    """`put_boot_source` for PUT /boot-source."""
    words = [part for part in path.split("/") if part and "{" not in part]
    return "_".join([method, *(words or ["instance"])]).replace("-", "_")


def answer_type(operation):
    """(media type, Python type) of what a request answers."""
    content = operation["responses"].get("200", {}).get("content", {})
    for media, described in content.items():
        text = annotation(described["schema"], "", [])
        return media, text if text in PLAIN.values() else f"types.{text}"
    return None, "None"


def parameters_of(operation):
    """The declaration of each parameter of the method, and the path's expression of its query."""
    declared, query = [], []
    for parameter in operation.get("parameters", []):
        name, schema = parameter["name"], parameter["schema"]
        if parameter["in"] == "path" or parameter.get("x-ember-stream"):
            continue
        kind = annotation(schema, "", [])
        default = "" if parameter["required"] else f" = {schema['default']!r}"
        declared.append(f"{name}: {kind}{default}")
        query.append(f"{name}={{{name}}}")
    return declared, f"?{'&'.join(query)}" if query else ""


def method_lines(method, path, operation, schemas):
    name = method_name(method, path)
    declared, query = parameters_of(operation)
    body = operation.get("requestBody")
    identifier = next((part[1:-1] for part in path.split("/") if "{" in part), None)
    given = ""
    if body:
        kind = api_reference.name_of(body["content"][RESULT]["schema"])
        fixed = "properties" in schemas[kind]
        declared.append(f"**body: Unpack[types.{kind}]" if fixed else f"body: types.{kind}")
        given = ", body" if body["required"] else ", body or None"
    elif identifier:
        declared.append(f"{identifier}: str")
    if identifier:
        value = f"body[{identifier!r}]" if body else identifier
        path = path.replace(f"{{{identifier}}}", f"{{quote({value}, safe='')}}")
    target = path + query
    target = f'f"{target}"' if "{" in target else f'"{target}"'
    _, result = answer_type(operation)
    call = f'self.transport.call("{method.upper()}", {target}{given})'
    parameters = ", ".join(["self", *declared])
    yield f"    def {name}({parameters}) -> {result}:"
    when = api_reference.phases(operation).capitalize()
    yield from docstring(f"{operation['summary']} {when}.", " " * 8)
    yield f"        {call}" if result == "None" else f"        return cast({result!r}, {call})"


def requests_module(description):
    """The text of clients/python/ember/requests.py."""
    schemas = description["components"]["schemas"]
    lines = ['"""Every request of the API. Made by scripts/api-generate from docs/api/openapi.json."""', "",
             "from __future__ import annotations", "", "from typing import TYPE_CHECKING, cast",
             "from urllib.parse import quote", "", "from . import types",
             "from .transport import Transport", "", "if TYPE_CHECKING:",
             "    from typing import Unpack", "", "", "class Requests:",
             '    """A method for each request, named after it: PUT /boot-source is put_boot_source().',
             "", "    The fields of a body are its keywords. What the server refuses is an ApiError.", '    """',
             "", "    def __init__(self, transport: Transport) -> None:",
             "        self.transport = transport"]
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            if answer_type(operation)[0] == "application/x-ndjson":
                continue  # a stream, which is no one answer: events.py
            if "101" in operation["responses"] and "200" not in operation["responses"]:
                continue  # no HTTP behind its head: console.py
            lines += ["", *method_lines(method, path, operation, schemas)]
    return "\n".join(lines) + "\n"
