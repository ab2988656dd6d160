"""Messages of Protobuf without a compiler: from descriptors of files, as JSON has them."""

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, timestamp_pb2  # noqa: F401


def message_class(files, name):
    """The class of a message; each file stands behind those that it imports."""
    pool = descriptor_pool.Default()
    for file in files:
        pool.Add(json_format.ParseDict(file, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
