"""Writes Protobuf by the client of Confluent, with its schema in the registry.

Told in JSON: {"topic", "files", "message", "values"}: descriptors of files, a message's full name, and values of it.
"""

import json
import os
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import json_format

import records
from protobuf_files import message_class

told = json.load(sys.stdin)
message = message_class(told["files"], told["message"])
registry = SchemaRegistryClient({"url": os.environ["SCHEMA_REGISTRY_URL"]})
serialize = ProtobufSerializer(message, registry, {"use.deprecated.format": False})
context = SerializationContext(told["topic"], MessageField.VALUE)
values = (json_format.ParseDict(value, message()) for value in told["values"])
records.write(told["topic"], ({"value": serialize(value, context)} for value in values))
