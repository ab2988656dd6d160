"""Writes JSON by the client of Confluent, with its JSON Schema in the registry, which the client checks each value against.

Told in JSON: {"topic", "schema", "references": [{"name", "subject", "schema"}], "values"}. References are registered first.
"""

import json
import os
import sys

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

import records

told = json.load(sys.stdin)
registry = SchemaRegistryClient({"url": os.environ["SCHEMA_REGISTRY_URL"]})
references = []
for one in told.get("references", []):
    registry.register_schema(one["subject"], Schema(one["schema"], "JSON"))
    version = registry.get_latest_version(one["subject"]).version
    references.append(SchemaReference(name=one["name"], subject=one["subject"], version=version))

serialize = JSONSerializer(Schema(told["schema"], "JSON", references), registry)
context = SerializationContext(told["topic"], MessageField.VALUE)
records.write(told["topic"], ({"value": serialize(value, context)} for value in told["values"]))
