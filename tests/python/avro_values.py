"""Avro values in JSON and back. What JSON has no word for is an object with one key that begins with "$".

{"$decimal": "10.50"} {"$bytes": "00ff"} {"$uuid": "..."} {"$date": "..."} {"$time": "..."} {"$timestamp": "..."},
and {"$record": "full.Name", "is": {...}} for the branch of a union of records.
"""

import datetime
import decimal
import uuid

WORDS = {
    "$decimal": decimal.Decimal,
    "$bytes": bytes.fromhex,
    "$uuid": uuid.UUID,
    "$date": datetime.date.fromisoformat,
    "$time": datetime.time.fromisoformat,
    "$timestamp": datetime.datetime.fromisoformat,
}


def from_json(value):
    """The value that the Avro library takes."""
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$record" in value:
        return value["$record"], from_json(value["is"])
    if len(value) == 1:
        (word, text), = value.items()
        if word in WORDS:
            return WORDS[word](text)
    return {name: from_json(item) for name, item in value.items()}


def to_json(value):
    """The JSON of what the Avro library gives."""
    if isinstance(value, decimal.Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    if isinstance(value, uuid.UUID):
        return {"$uuid": str(value)}
    # A point in time is a date too, as Python sees it.
    if isinstance(value, datetime.datetime):
        return {"$timestamp": value.isoformat()}
    if isinstance(value, datetime.date):
        return {"$date": value.isoformat()}
    if isinstance(value, datetime.time):
        return {"$time": value.isoformat()}
    if isinstance(value, tuple):
        return {"$record": value[0], "is": to_json(value[1])}
    if isinstance(value, dict):
        return {name: to_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [to_json(item) for item in value]
    return value
