from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PredictRequest(_message.Message):
    __slots__ = ("features", "model_type", "model_name")
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    MODEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    features: _containers.RepeatedScalarFieldContainer[float]
    model_type: str
    model_name: str
    def __init__(self, features: _Optional[_Iterable[float]] = ..., model_type: _Optional[str] = ..., model_name: _Optional[str] = ...) -> None: ...

class PredictResponse(_message.Message):
    __slots__ = ("probabilities", "value", "best_move")
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    BEST_MOVE_FIELD_NUMBER: _ClassVar[int]
    probabilities: _containers.RepeatedScalarFieldContainer[float]
    value: float
    best_move: int
    def __init__(self, probabilities: _Optional[_Iterable[float]] = ..., value: _Optional[float] = ..., best_move: _Optional[int] = ...) -> None: ...

class InputFeatures(_message.Message):
    __slots__ = ("features",)
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    features: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, features: _Optional[_Iterable[float]] = ...) -> None: ...

class BatchPredictRequest(_message.Message):
    __slots__ = ("inputs", "model_type", "model_name")
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    MODEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    inputs: _containers.RepeatedCompositeFieldContainer[InputFeatures]
    model_type: str
    model_name: str
    def __init__(self, inputs: _Optional[_Iterable[_Union[InputFeatures, _Mapping]]] = ..., model_type: _Optional[str] = ..., model_name: _Optional[str] = ...) -> None: ...

class BatchPredictResponse(_message.Message):
    __slots__ = ("outputs",)
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    outputs: _containers.RepeatedCompositeFieldContainer[PredictResponse]
    def __init__(self, outputs: _Optional[_Iterable[_Union[PredictResponse, _Mapping]]] = ...) -> None: ...

class ModelInfoRequest(_message.Message):
    __slots__ = ("model_type", "model_name")
    MODEL_TYPE_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    model_type: str
    model_name: str
    def __init__(self, model_type: _Optional[str] = ..., model_name: _Optional[str] = ...) -> None: ...

class ModelInfoResponse(_message.Message):
    __slots__ = ("input_size", "hidden_size", "output_size", "device", "framework", "model_name", "model_digest", "untrained", "backend", "framework_version", "threads", "spinning", "device_name", "pid", "nonce", "max_batch_size", "facts", "versions")
    class FactsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    INPUT_SIZE_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_SIZE_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_SIZE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_FIELD_NUMBER: _ClassVar[int]
    MODEL_NAME_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    UNTRAINED_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    FRAMEWORK_VERSION_FIELD_NUMBER: _ClassVar[int]
    THREADS_FIELD_NUMBER: _ClassVar[int]
    SPINNING_FIELD_NUMBER: _ClassVar[int]
    DEVICE_NAME_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_SIZE_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    input_size: int
    hidden_size: int
    output_size: int
    device: str
    framework: str
    model_name: str
    model_digest: str
    untrained: bool
    backend: str
    framework_version: str
    threads: int
    spinning: bool
    device_name: str
    pid: int
    nonce: str
    max_batch_size: int
    facts: _containers.ScalarMap[str, str]
    versions: _containers.ScalarMap[str, str]
    def __init__(self, input_size: _Optional[int] = ..., hidden_size: _Optional[int] = ..., output_size: _Optional[int] = ..., device: _Optional[str] = ..., framework: _Optional[str] = ..., model_name: _Optional[str] = ..., model_digest: _Optional[str] = ..., untrained: _Optional[bool] = ..., backend: _Optional[str] = ..., framework_version: _Optional[str] = ..., threads: _Optional[int] = ..., spinning: _Optional[bool] = ..., device_name: _Optional[str] = ..., pid: _Optional[int] = ..., nonce: _Optional[str] = ..., max_batch_size: _Optional[int] = ..., facts: _Optional[_Mapping[str, str]] = ..., versions: _Optional[_Mapping[str, str]] = ...) -> None: ...
