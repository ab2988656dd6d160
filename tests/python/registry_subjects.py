"""Prints the subjects whose names contain the argument, each with its number of versions, as one JSON object."""

import json
import os
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient

registry = SchemaRegistryClient({"url": os.environ["SCHEMA_REGISTRY_URL"]})
subjects = [subject for subject in registry.get_subjects() if sys.argv[1] in subject]
print(json.dumps({subject: len(registry.get_versions(subject)) for subject in subjects}))
