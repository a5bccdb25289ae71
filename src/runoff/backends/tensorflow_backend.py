"""
A backend that compiles a model into a TensorFlow function, and calls it through the operation PartitionedCall.

Measured for 81→64→9 on 2 cores, from array to array, fastest of 25 rounds, at batch 1 / 64 / 1024, in ms:

    PartitionedCall, oneDNN off                0.034 / 0.063 / 0.27   used here
    PartitionedCall, oneDNN on                 0.054 / 0.081 / 0.27
    concrete function called, oneDNN off       0.16  / 0.18  / 0.39
    concrete function called, oneDNN on        0.18  / 0.20  / 0.38   (binds the signature at every call)
    the same under XLA                         0.14  / 0.16  / 0.34   and 150 to 400 ms for every new batch size
    session callable of TensorFlow 1           0.13  / 0.15  / 0.30
    keras.Model.predict                          68  /   71  /  117   (builds a dataset at every call)

A tensor that shares the caller's memory (DLPack) would save another 10 µs, but aborts the process unless that memory
starts at a multiple of 64 bytes, which most arrays do not.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

from runoff.backends.base import Backend, Settings
from runoff.errors import BackendError, BackendUnavailable
from runoff.measurement.machine import Device, processor_name
from runoff.models.mlp import Float32Array, Float64Array, Kind, Mlp


@contextmanager
def _quiet_unless_asked() -> Iterator[None]:
    """Hide TensorFlow's log lines on standard error, unless the user set a log level or an exception occurs."""
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    # TensorFlow's C++ code logs some lines before it reads the log level, so also redirect standard error to a file.
    with tempfile.TemporaryFile() as captured:
        stderr = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except BaseException:
            captured.seek(0)
            os.write(stderr, captured.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


# oneDNN searches for a kernel in every call. For small batches the search takes longer than the computation, and even
# batches of 1024 samples do not become faster, so oneDNN is off by default.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
with _quiet_unless_asked():
    import tensorflow as tf


class TensorFlowBackend(Backend):
    """A compiled TensorFlow function on one device."""

    def __init__(self, name: str, mlp: Mlp, device_type: str) -> None:
        super().__init__(name, mlp.input_size, mlp.output_size, Device(device_type))
        function = _compile(mlp, device_type)
        # Use PartitionedCall on the CPU only. On a GPU, it is untested and would hardly shorten a call.
        self._run = partial(_run_as_operation, function) if device_type == "cpu" else function
        # If a GPU is visible, TensorFlow would copy the inputs of a model on the CPU to the GPU and back. Each call is
        # therefore pinned to the CPU, but only if there is a GPU, because pinning takes time.
        needs_pinning = device_type == "cpu" and bool(tf.config.get_visible_devices("GPU"))
        self._placement = partial(tf.device, "/CPU:0") if needs_pinning else nullcontext
        self.device = self._detect_device()
        self.facts |= {
            "framework": "tensorflow",
            "framework_version": tf.__version__,
            "threads": tf.config.threading.get_intra_op_parallelism_threads(),
            "inter_op_threads": tf.config.threading.get_inter_op_parallelism_threads(),
            "spinning": False,
        }

    def predict(self, batch: Float32Array) -> Float32Array:
        self.check_batch(batch)
        with self._placement():
            tensor = self._run(tf.constant(batch))
        outputs: Float32Array = tensor.numpy()
        return outputs

    def _detect_device(self) -> Device:
        """Return the device of a trial output. Raise BackendUnavailable if the backend's name states another device."""
        with self._placement():
            output = self._run(tf.zeros((1, self.input_size)))
        placement = tf.DeviceSpec.from_string(output.device)
        found_type = placement.device_type.lower()
        if found_type != self.device.type:
            raise BackendUnavailable(f"{self.name}: TensorFlow put the model on {output.device}")
        if found_type == "cpu":
            return Device("cpu", processor_name())
        gpu = tf.config.get_visible_devices("GPU")[placement.device_index]
        return Device("gpu", tf.config.experimental.get_device_details(gpu).get("device_name", ""))


def open_backend(name: str, mlp: Mlp, onnx: bytes | None, settings: Settings) -> Backend:  # noqa: ARG001
    """Open a model in TensorFlow. See `registry.open_in_process`."""
    gpus = tf.config.get_visible_devices("GPU")
    wants_gpu = name.endswith("-gpu")
    if wants_gpu and not gpus:
        built = "is built with CUDA" if tf.test.is_built_with_cuda() else "is built without CUDA"
        raise BackendUnavailable(
            f"{name}: TensorFlow {tf.__version__} sees no GPU and {built}; on a machine with an NVIDIA GPU and its"
            " driver, install TensorFlow for CUDA with: pip install 'runoff[gpu]'"
        )
    _configure(name, gpus, settings)
    return TensorFlowBackend(name, mlp, "gpu" if wants_gpu else "cpu")


def _configure(name: str, gpus: "list[tf.config.PhysicalDevice]", settings: Settings) -> None:
    """Set TensorFlow's process-wide options. Raise BackendError if it already uses a different number of threads."""
    # TensorFloat-32 keeps only 10 of float32's 23 fraction bits, so the outputs could fail the accuracy check.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
        # Each of the network's operations needs the previous operation's result, so no two can run at the same time.
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        running = tf.config.threading.get_intra_op_parallelism_threads()
        raise BackendError(
            f"{name}: TensorFlow already runs with {running or 'its own number of'} threads in this process, asked for"
            f" {settings.threads}; use one number of threads, or another process"
        ) from None
    for gpu in gpus:
        # By default, TensorFlow reserves the whole GPU memory, but other frameworks in this process also need some.
        if not tf.config.experimental.get_memory_growth(gpu):
            tf.config.experimental.set_memory_growth(gpu, True)


def _compile(mlp: Mlp, device_type: str) -> "tf.types.experimental.ConcreteFunction":
    """Compile the network into a TensorFlow function for one device. Its input has shape (batch_size, input_size)."""
    head = tf.nn.softmax if mlp.kind is Kind.POLICY else tf.nn.sigmoid

    def forward(batch: "tf.Tensor") -> "tf.Tensor":
        # Pin the function to its device. Hiding the GPU instead would affect a -gpu backend opened in this process.
        with tf.device(f"/{device_type.upper()}:0"):
            hidden = tf.nn.relu(_layer(batch, mlp.weights_hidden, mlp.biases_hidden))
            return head(_layer(hidden, mlp.weights_output, mlp.biases_output))

    signature = [tf.TensorSpec([None, mlp.input_size], tf.float32)]
    return tf.function(forward, input_signature=signature).get_concrete_function()


def _run_as_operation(function: "tf.types.experimental.ConcreteFunction", inputs: "tf.Tensor") -> "tf.Tensor":
    """Run a function through PartitionedCall, which saves the 100 µs that a direct call spends on argument checks."""
    return tf.raw_ops.PartitionedCall(args=[inputs], Tout=[tf.float32], f=function)[0]


def _layer(inputs: "tf.Tensor", weights: Float64Array, biases: Float64Array) -> "tf.Tensor":
    """Return inputs · weightsᵀ + biases. Unlike `+`, `bias_add` can be fused with neighbouring operations."""
    return tf.nn.bias_add(tf.matmul(inputs, tf.constant(weights.T, tf.float32)), tf.constant(biases, tf.float32))
