"""Writes Avro by the client of Confluent, through the registry.

Told in JSON: {"topic", "strategy", "registered": [{"subject", "schema"}],
"records": [{"partition", "key": PART, "value": PART}]}, where PART is null or {"schema", "references", "is"}, and a
reference is {"name", "subject"}. What is in "registered" is registered first, in this order.
"""

import json
import os
import sys

from confluent_kafka.schema_registry import (
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    record_subject_name_strategy,
    topic_record_subject_name_strategy,
    topic_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

import records
from avro_values import from_json

STRATEGIES = {
    "topic": topic_subject_name_strategy,
    "record": record_subject_name_strategy,
    "topic-record": topic_record_subject_name_strategy,
}

told = json.load(sys.stdin)
registry = SchemaRegistryClient({"url": os.environ["SCHEMA_REGISTRY_URL"]})
config = {"subject.name.strategy": STRATEGIES[told.get("strategy", "topic")]}
serializers = {}


def encode(part, field):
    if part is None:
        return None
    references = [
        SchemaReference(name=one["name"], subject=one["subject"], version=registry.get_latest_version(one["subject"]).version)
        for one in part.get("references", [])
    ]
    known = (part["schema"], field)
    if known not in serializers:
        serializers[known] = AvroSerializer(registry, Schema(part["schema"], "AVRO", references), conf=config)
    return serializers[known](from_json(part["is"]), SerializationContext(told["topic"], field))


for schema in told.get("registered", []):
    registry.register_schema(schema["subject"], Schema(schema["schema"], "AVRO"))

def encoded(record):
    parts = {"key": encode(record.get("key"), MessageField.KEY), "value": encode(record.get("value"), MessageField.VALUE)}
    return {**parts, "partition": record.get("partition", 0)}


records.write(told["topic"], map(encoded, told["records"]))
