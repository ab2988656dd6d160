"""Reads Avro by the client of Confluent, through the registry: so many messages of a topic's partition 0.

Arguments: topic, count. Prints a JSON line for each: {"key", "value"}.
"""

import json
import os
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

import records
from avro_values import to_json

topic, count = sys.argv[1], int(sys.argv[2])
registry = SchemaRegistryClient({"url": os.environ["SCHEMA_REGISTRY_URL"]})
deserialize = AvroDeserializer(registry, return_record_name=True)

for message in records.read(topic, count):
    parts = {"key": (message.key(), MessageField.KEY), "value": (message.value(), MessageField.VALUE)}
    read = {name: to_json(deserialize(data, SerializationContext(topic, field))) for name, (data, field) in parts.items()}
    print(json.dumps(read))
