"""Records to a topic and from it, by confluent-kafka: what the scripts of all formats need."""

import os
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition


def write(topic, records):
    """Writes records, each {"key", "value", "partition"} in bytes, and waits until all are acknowledged."""
    refused = []
    producer = Producer({"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP"], "enable.idempotence": True})
    for record in records:
        producer.produce(
            topic,
            key=record.get("key"),
            value=record.get("value"),
            partition=record.get("partition", 0),
            on_delivery=lambda error, _: refused.append(str(error)) if error else None,
        )
    left = producer.flush(30)
    if left or refused:
        sys.exit(f"{left} not acknowledged, refused: {refused}")


def read(topic, count):
    """So many messages of a topic's partition 0, from its beginning."""
    consumer = Consumer({"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP"], "group.id": "reads-records", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    deadline = time.monotonic() + 30
    while count:
        message = consumer.poll(1)
        if message is None or message.error():
            if time.monotonic() > deadline:
                sys.exit(f"{count} messages more were expected in time")
            continue
        yield message
        count -= 1
    consumer.close()
