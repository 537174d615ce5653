"""What schemathesis cannot know of itself: which ids there are, and that an idempotency key is for one request."""

import itertools
import json
import os

import schemathesis

# Written by script/documents: ids and codes of the demo store by what they name.
with open(os.environ["REAL"], encoding="utf-8") as file:
    REAL = json.load(file)

KEYS = itertools.count(1)


@schemathesis.hook
def before_load_schema(context, document):
    """Narrows the ids of the document to real ones; what breaks the document is made up all the same."""
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"] in ("id", "delivery_id"):
                    parameter["schema"] = {"type": "string", "enum": ids_of(path, operation)}
                elif parameter["name"] == "If-Match":
                    parameter["schema"] = {"type": "string", "enum": ["*", '"1-0"']}
    for schema in document["components"]["schemas"].values():
        # Only what is sent is closed.
        if schema.get("additionalProperties") is False:
            narrow(schema["properties"])


def ids_of(path, operation):
    kind = path.split("/")[3]
    # A session of one's own is none of the command line, whose token is used.
    ids = REAL[{"reconciliation": "orders", "me": "users"}.get(kind, kind)]
    if kind not in ("members", "products", "clients", "users", "webhooks", "issuers"):
        return ids
    # What is deleted is used for nothing else.
    return ids[-2:] if operation["operationId"].startswith("delete_") else ids[:-2]


def narrow(properties):
    for name, kind in [("member_ids", "members"), ("order_ids", "orders")]:
        if name in properties:
            properties[name]["items"] = {"type": "string", "enum": REAL[kind][:6]}
    if "member_id" in properties:
        properties["member_id"] = {"type": "string", "enum": REAL["members"][:6]}
    if "url" in properties and "events" in properties:
        properties["url"] = {"type": "string", "enum": ["https://localhost:9/", "https://localhost:9/a?b=c"]}
        properties["events"]["items"] = {"type": "string", "enum": ["order.placed", "payment.confirmed"]}
    if "issuer" in properties and "audience" in properties:
        properties["issuer"] = {"type": "string", "enum": ["https://localhost:9/a", "https://localhost:9/b"]}
        properties["jwks_uri"] = {"type": ["string", "null"], "enum": ["https://localhost:9/keys", None]}
        # What is asked of each kind of subjects is more than a schema says.
        properties["subjects"] = {"type": "string", "enum": ["members"]}
        properties["max_scopes"] = {"type": "array", "maxItems": 0, "items": {"type": "string"}}
    # An address stands in one claim alone.
    if "claim" in properties and "to" in properties:
        properties["claim"] = {"type": "string", "enum": ["email"]}
    # In a cart it names a product; on an order of the shop it is free text, or null.
    if properties.get("product_code", {}).get("type") == "string":
        properties["product_code"] = {"type": "string", "enum": REAL["product_codes"][:6]}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives each good call a key of its own: the same key for another request is refused."""
    if case.meta.generation.mode.value != "positive":
        return
    # What the address says already may not be said otherwise.
    if "external_id" in (case.path_parameters or {}) and isinstance(case.body, dict):
        kwargs["json"] = {name: value for name, value in case.body.items() if name != "external_id"}
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = f"call-{next(KEYS)}"
