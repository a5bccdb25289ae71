"""Tests that large requests are refused only in layouts that are slow to parse, which no known client sends."""

import numpy as np
import pytest

from runoff.rpc import wire
from runoff.rpc.limits import MAX_BATCH_SIZE, MAX_PARSED_BYTES, UnusualLayoutError
from runoff.rpc.neural import request_codec
from runoff.rpc.neural.neural_pb2 import BatchPredictRequest
from runoff.rpc.oip import codec
from tests.support.oip import infer_request

# This batch makes a message larger than MAX_PARSED_BYTES in every layout.
LARGE_BATCH = np.random.default_rng(0).random((8_000, 81), dtype=np.float32)


@pytest.mark.parametrize("typed", [False, True], ids=["raw", "typed"])
def test_large_infer_request_is_read_raw_and_typed(typed: bool) -> None:
    """Raw and typed contents are both fast to read, so the limit for slow layouts must not apply to either."""
    message = infer_request(LARGE_BATCH, typed=typed).SerializeToString()
    found = codec.decode_request(message)
    assert len(message) > MAX_PARSED_BYTES
    np.testing.assert_array_equal(LARGE_BATCH.ravel(), found.fp32 if typed else wire.floats(found.raw[0]))


def test_large_batch_request_of_protobuf_is_read() -> None:
    """Every proto3 library packs floats and orders fields by field number, so large messages of that form must work."""
    message = BatchPredictRequest(inputs=[{"features": sample} for sample in LARGE_BATCH], model_type="policy")
    found = request_codec.decode_batch_predict(message.SerializeToString())
    np.testing.assert_array_equal(LARGE_BATCH, found.batch)


def test_large_batch_request_of_unpacked_floats_is_refused() -> None:
    """Protobuf would parse each number as a separate field and block all other calls, so the request is refused."""
    sample = (b"\x0d" + np.float32(1).tobytes()) * 81
    message = (wire.field_1_header(len(sample)) + sample) * 6_000
    with pytest.raises(UnusualLayoutError, match="packed floats"):
        request_codec.decode_batch_predict(message)


def test_samples_over_the_batch_limit_are_counted_but_not_read() -> None:
    """A Python loop over the million empty samples in this message would take half a minute, so only count them."""
    message = wire.text_field(2, "policy") + b"\x0a\x00" * (MAX_PARSED_BYTES // 2 - 8)
    found = request_codec.decode_batch_predict(message)
    assert found.count > MAX_BATCH_SIZE
    assert 0 == found.batch.size
