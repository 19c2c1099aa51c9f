"""What a receiver reads in a request: by Google's library for protocol buffers, which shares nothing with our encoder."""

from __future__ import annotations

import struct
from typing import Any

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Field = descriptor_pb2.FieldDescriptorProto
REPEATED, OPTIONAL = Field.LABEL_REPEATED, Field.LABEL_OPTIONAL
#: Messages of Prometheus's prompb/remote.proto and prompb/types.proto: name -> fields as number, name, label, type, message.
MESSAGES = {
    "Label": [(1, "name", OPTIONAL, Field.TYPE_STRING, ""), (2, "value", OPTIONAL, Field.TYPE_STRING, "")],
    "Sample": [
        (1, "value", OPTIONAL, Field.TYPE_DOUBLE, ""),
        (2, "timestamp", OPTIONAL, Field.TYPE_INT64, ""),
    ],
    "TimeSeries": [
        (1, "labels", REPEATED, Field.TYPE_MESSAGE, "Label"),
        (2, "samples", REPEATED, Field.TYPE_MESSAGE, "Sample"),
    ],
    "WriteRequest": [(1, "timeseries", REPEATED, Field.TYPE_MESSAGE, "TimeSeries")],
}
STALE = 0x7FF0000000000002
Labels = tuple[tuple[str, str], ...]


def write_request_class() -> Any:
    """Return the class of the whole message."""
    file = descriptor_pb2.FileDescriptorProto(name="remote.proto", package="prometheus", syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, field, label, kind, of in fields:
            added = message.field.add(number=number, name=field, label=label, type=kind)
            if of:
                added.type_name = f".prometheus.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("prometheus.WriteRequest"))


WriteRequest = write_request_class()


def value_of(number: float) -> float | str:
    """Return a value, `stale` for the marker that ends a series."""
    (bits,) = struct.unpack("<Q", struct.pack("<d", number))
    return "stale" if bits == STALE else number


def decoded(message: bytes) -> list[tuple[Labels, list[tuple[int, float | str]]]]:
    """Return the series of a message in their order: labels in theirs, then (milliseconds, value)."""
    request = WriteRequest.FromString(message)
    return [
        (
            tuple((label.name, label.value) for label in series.labels),
            [(sample.timestamp, value_of(sample.value)) for sample in series.samples],
        )
        for series in request.timeseries
    ]


def received(body: bytes) -> list[tuple[Labels, list[tuple[int, float | str]]]]:
    """Return the series of the body of a request."""
    return decoded(bytes(cramjam.snappy.decompress_raw(body)))
