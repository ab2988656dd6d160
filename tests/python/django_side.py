"""The real django-kafka, as a service of one topic whose handler fails, or as the retry consumer of its group.

django_side.py forward BOOTSTRAP GROUP TOPIC COUNT   fails COUNT messages, which django-kafka forwards to the first retry topic
django_side.py handle BOOTSTRAP GROUP TOPIC COUNT    its retry consumer handles COUNT messages; prints a line of JSON for each
"""

import json
import sys
import threading

mode, bootstrap, group, topic, count = sys.argv[1:]

from django.conf import settings  # noqa: E402

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django_kafka"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    USE_TZ=True,
    DJANGO_KAFKA={"GLOBAL_CONFIG": {"bootstrap.servers": bootstrap}, "POLLING_FREQUENCY": 0.1},
)

import django  # noqa: E402

django.setup()

from django_kafka import kafka  # noqa: E402
from django_kafka.consumer import Consumer, Topics  # noqa: E402
from django_kafka.retry.consumer import RetryConsumer  # noqa: E402
from django_kafka.topic import TopicConsumer  # noqa: E402

done = threading.Event()
seen = 0


@kafka.retry(max_retries=3, delay=1, blocking=False)
class Story(TopicConsumer):
    name = topic

    def consume(self, msg):
        global seen
        seen += 1
        if seen == int(count):
            done.set()
        if mode == "forward":
            raise ValueError("django fails")
        headers = [[name, value.decode("latin-1")] for name, value in msg.headers() or []]
        line = {"topic": msg.topic(), "key": msg.key().decode(), "value": msg.value().decode(), "headers": headers}
        print(json.dumps(line), flush=True)


class StoryConsumer(Consumer):
    topics = Topics(Story())
    config = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.offset.store": False}


consumer = StoryConsumer if mode == "forward" else RetryConsumer.build(StoryConsumer)
consumer().start(done)
kafka.producer.flush()
