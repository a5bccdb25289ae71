"""Tests of neural.proto and the files that protoc generates from it."""

from pathlib import Path

from google.protobuf import descriptor_pb2

from runoff.rpc.neural import neural_pb2
from tests.support.protoc import run_protoc

PROTO = Path(neural_pb2.__file__).with_name("neural.proto")
FLOAT, STRING, INT32, MESSAGE = 2, 9, 5, 11
# The fields that existing clients use, by message. Each is (field number, name, type, whether it is repeated).
ORIGINAL = {
    "PredictRequest": [(1, "features", FLOAT, True), (2, "model_type", STRING, False)],
    "PredictResponse": [(1, "probabilities", FLOAT, True), (2, "value", FLOAT, False), (3, "best_move", INT32, False)],
    "InputFeatures": [(1, "features", FLOAT, True)],
    "BatchPredictRequest": [(1, "inputs", MESSAGE, True), (2, "model_type", STRING, False)],
    "BatchPredictResponse": [(1, "outputs", MESSAGE, True)],
    "ModelInfoRequest": [(1, "model_type", STRING, False)],
    "ModelInfoResponse": [
        (1, "input_size", INT32, False),
        (2, "hidden_size", INT32, False),
        (3, "output_size", INT32, False),
        (4, "device", STRING, False),
        (5, "framework", STRING, False),
    ],
}


def compiled() -> descriptor_pb2.FileDescriptorProto:
    found = descriptor_pb2.FileDescriptorProto()
    neural_pb2.DESCRIPTOR.CopyToProto(found)
    return found


def test_original_fields_are_unchanged() -> None:
    """Existing clients were compiled with these field numbers, names and types, so a change would break them."""
    found = {
        message.name: [
            (field.number, field.name, field.type, field.label == field.LABEL_REPEATED)
            for field in message.field
            if field.number < 16
        ]
        for message in compiled().message_type
    }
    assert ORIGINAL == found


def test_generated_files_match_the_proto_file(tmp_path: Path) -> None:
    """runoff loads the generated files but users read neural.proto, so the two must not differ."""
    out = tmp_path / "descriptors"
    run_protoc(f"-I{PROTO.parent}", f"--descriptor_set_out={out}", f"--pyi_out={tmp_path}", PROTO.name)
    assert descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file == [compiled()]
    assert (tmp_path / "neural_pb2.pyi").read_text() == PROTO.with_name("neural_pb2.pyi").read_text()
