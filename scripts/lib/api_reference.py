"""The reference page of the control API, made from its OpenAPI description."""

PHASES = {
    ("NotStarted",): "before the start",
    ("Running", "Paused"): "after the start",
    ("Paused",): "while paused",
    ("NotStarted", "Running", "Paused"): "always",
}
HEAD = """# The control API, request by request

Made by `scripts/api-generate` from [openapi.json](openapi.json), which a test compares with the server.
[api.md](../api.md) says how the parts work together, and what errors say; [extensions.md](../extensions.md)
is about what is ours. A request that is refused changes nothing. 400 has a body `{"fault_message": …}`.
"""


def name_of(schema):
    """The name that a schema refers to, or None."""
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    return next((name for each in schema.get("anyOf", []) if (name := name_of(each))), None)


def anchor(name):
    return f"[{name}](#{name.lower()})"


def is_null(schema):
    return schema.get("type") == "null"


def may_be_null(schema):
    kind = schema.get("type")
    return kind == "null" or isinstance(kind, list) or any(map(is_null, schema.get("anyOf", [])))


def plain_type(schema):
    """A field's type without its null."""
    if "anyOf" in schema:
        return " or ".join(plain_type(each) for each in schema["anyOf"] if not is_null(each))
    if name := name_of(schema):
        return anchor(name)
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"] if value is not None)
    kind = schema.get("type", "anything")
    kind = next(each for each in kind if each != "null") if isinstance(kind, list) else kind
    if kind == "array":
        return f"array of {plain_type(schema['items'])}" if schema["items"] else "array"
    return kind


def type_of(schema):
    text = plain_type(schema)
    return f"{text} or null" if may_be_null(schema) and text != "null" else text


def bounds(schema):
    """What a value may be, beyond its type."""
    parts = []
    if "minimum" in schema:
        parts.append(f"{schema['minimum']} to {schema['maximum']}")
    if "minItems" in schema and "maxItems" in schema:
        parts.append(f"{schema['minItems']} to {schema['maxItems']} elements")
    elif "minItems" in schema:
        parts.append(f"{schema['minItems']} element at least")
    if "maxLength" in schema:
        parts.append(f"{schema['maxLength']} bytes at most")
    if "pattern" in schema:
        escaped = schema["pattern"].replace("|", "\\|")
        parts.append(f"`{escaped}`")
    return "; ".join(parts)


def json_text(value):
    return {True: "true", False: "false", None: "null"}.get(value, str(value)) \
        if not isinstance(value, int) or isinstance(value, bool) else str(value)


def about(schema, required):
    """Everything about a field but its type."""
    marks = []
    if schema.get("x-ember-extension"):
        marks.append("Ours.")
    if schema.get("deprecated"):
        marks.append("Deprecated.")
    if "x-ember-deprecated-values" in schema:
        marks.append(f"Deprecated: {', '.join(schema['x-ember-deprecated-values'])}.")
    for value, when in schema.get("x-ember-phases-of", {}).items():
        marks.append(f"`{value}`: {PHASES[tuple(when)]}.")
    if required:
        marks.append("Required.")
    if limits := bounds(schema):
        marks.append(f"{limits}.")
    if "default" in schema:
        marks.append(f"Default: `{json_text(schema['default'])}`.")
    return " ".join([*marks, schema.get("description", "")]).strip()


def phases(operation):
    text = PHASES[tuple(operation["x-ember-phases"])]
    return f"{text}, once" if operation.get("x-ember-once") else text


def parameter_rows(operation):
    for parameter in operation.get("parameters", []):
        where = "path" if parameter["in"] == "path" else "query"
        schema = {**parameter["schema"], "description": parameter["description"]}
        yield (f"| `{parameter['name']}` ({where}) | {type_of(schema)} | "
               f"{about(schema, parameter['required'])} |")


def operation_lines(method, path, operation):
    ours = " (ours)" if operation.get("x-ember-extension") else ""
    yield f"\n### `{method.upper()} {path}`{ours}\n{operation['summary']}"
    if "description" in operation:
        yield f"\n{operation['description']}"
    rows = list(parameter_rows(operation))
    if rows:
        yield "\n| parameter | type | |\n|---|---|---|\n" + "\n".join(rows)
    facts = [f"When: {phases(operation)}"]
    if body := operation.get("requestBody"):
        kind = plain_type(body["content"]["application/json"]["schema"])
        facts.append(f"Body: {kind}" + ("" if body["required"] else ", or none"))
    for status, response in operation["responses"].items():
        for media, content in response.get("content", {}).items():
            shown = type_of(content["schema"])
            kind = "" if media == "application/json" else f" ({media})"
            facts.append(f"{status}: {shown}{kind}. {response['description']}")
        if status == "204":
            facts.append("204: no body")
    yield "\n" + "\n".join(f"- {fact}" for fact in facts)


def field_rows(schema, prefix=""):
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        yield f"| `{prefix}{name}` | {type_of(field)} | {about(field, name in required)} |"
        inner = field.get("items", field)
        if "properties" in inner:
            yield from field_rows(inner, f"{prefix}{name}{'[]' if 'items' in field else ''}.")


def schema_lines(name, schema):
    yield f"\n### {name}\n{schema['description']}"
    if "properties" not in schema:
        return
    yield "\n| field | type | |\n|---|---|---|\n" + "\n".join(field_rows(schema))
    if "anyOf" in schema:
        choice = ", ".join(f"`{each['required'][0]}`" for each in schema["anyOf"])
        yield f"\nOne of these is required: {choice}."
    if schema["additionalProperties"] is True:
        yield "\nUnknown fields are passed over."


def page(description):
    """The text of docs/api/reference.md."""
    lines = [HEAD, "## Requests\n| request | when | |\n|---|---|---|"]
    operations = [(method, path, operation) for path, methods in description["paths"].items()
                  for method, operation in methods.items()]
    for method, path, operation in operations:
        ours = "ours; " if operation.get("x-ember-extension") else ""
        lines.append(f"| `{method.upper()} {path}` | {phases(operation)} | {ours}"
                     f"{operation['summary'][0].lower()}{operation['summary'][1:].rstrip('.')} |")
    for each in operations:
        lines += operation_lines(*each)
    lines.append("\n## Bodies\nFields of a body that are not listed are errors, but where it says so.")
    for name, schema in description["components"]["schemas"].items():
        lines += schema_lines(name, schema)
    return "\n".join(lines) + "\n"
