"""Reads topics from their beginnings to their ends with confluent-kafka, and prints a line of JSON for each message.

read_topics.py BOOTSTRAP TOPIC...
"""

import json
import sys

from confluent_kafka import Consumer, TopicPartition


def text(value):
    return None if value is None else value.decode("latin-1")


def main(bootstrap, *topics):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reads-topics", "enable.auto.commit": False})
    for topic in topics:
        partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
        for partition in partitions:
            start, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
            consumer.assign([TopicPartition(topic, partition, start)])
            position = start
            while position < end:
                message = consumer.poll(20)
                if message is None or message.error():
                    sys.exit(f"{topic}/{partition} cannot be read: {message and message.error()}")
                position = message.offset() + 1
                line = {
                    "topic": topic,
                    "partition": partition,
                    "key": text(message.key()),
                    "value": text(message.value()),
                    "headers": [[name, text(value)] for name, value in message.headers() or []],
                }
                print(json.dumps(line), flush=True)
    consumer.close()


main(*sys.argv[1:])
