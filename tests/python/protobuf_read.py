"""Reads Protobuf by the client of Confluent: so many messages of a topic's partition 0.

Told in JSON: {"topic", "count", "files", "message"}. Prints {"id", "indexes", "is"} in a JSON line for each: the schema's id and the
message's indexes, as they stand in the bytes, and the value.
"""

import io
import json
import struct
import sys

from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import json_format

import records
from protobuf_files import message_class


def varint(stream):
    value, shift = 0, 0
    while True:
        byte = stream.read(1)[0]
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)


def indexes(stream):
    return [varint(stream) for _ in range(varint(stream))] or [0]


told = json.load(sys.stdin)
deserialize = ProtobufDeserializer(message_class(told["files"], told["message"]), {"use.deprecated.format": False})
context = SerializationContext(told["topic"], MessageField.VALUE)
for message in records.read(told["topic"], told["count"]):
    stream = io.BytesIO(message.value())
    _, id = struct.unpack(">bI", stream.read(5))
    value = json_format.MessageToDict(deserialize(message.value(), context), preserving_proto_field_name=True)
    print(json.dumps({"id": id, "indexes": indexes(stream), "is": value}))
