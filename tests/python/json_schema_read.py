"""Reads JSON by the client of Confluent, which checks each value against its writer's JSON Schema.

Arguments: topic, count. Prints a JSON line for each value.
"""

import json
import os
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

import records

topic, count = sys.argv[1], int(sys.argv[2])
registry = SchemaRegistryClient({"url": os.environ["SCHEMA_REGISTRY_URL"]})
deserialize = JSONDeserializer(None, schema_registry_client=registry)

for message in records.read(topic, count):
    print(json.dumps(deserialize(message.value(), SerializationContext(topic, MessageField.VALUE))))
