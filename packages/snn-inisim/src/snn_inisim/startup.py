"""Importing TensorFlow: late, quietly, and with a clear error where it cannot work."""

from __future__ import annotations

import functools
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from snn_core.errors import SimulatorImportError
from snn_core.files import redirect_process_stderr
from snn_core.installing import how_to_install

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def import_tensorflow() -> None:
    """Import TensorFlow and Keras and initialise the devices.

    TensorFlow's messages are left out unless the environment sets ``TF_CPP_MIN_LOG_LEVEL``.

    Raises
    ------
    SimulatorImportError
        If they cannot be imported, or Keras already runs on another backend.
    """
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    wants_messages = LOG_LEVEL in os.environ
    os.environ.setdefault(LOG_LEVEL, "2")
    try:
        if wants_messages:
            _import()
        else:
            _start_quietly()
    except ImportError as error:
        raise SimulatorImportError(
            f"INIsim needs TensorFlow and Keras 3, which cannot be imported: {error}. "
            f"{how_to_install('snn-inisim')}"
        ) from error
    backend = sys.modules["keras"].backend.backend()
    if backend != "tensorflow":
        raise SimulatorImportError(
            f"Keras is running on the backend {backend!r}; INIsim needs 'tensorflow'. Set "
            f"KERAS_BACKEND=tensorflow before Keras is imported."
        )


@functools.cache
def _start_quietly() -> None:
    """Import, and compile for the first time, without messages; once per process.

    TensorFlow may be there already without having compiled anything, as after a conversion.
    """
    with _hold_messages():
        _import()
        _compile_something()
    _expect_tracing()


def _import() -> None:
    import keras  # noqa: F401 - only to have it imported
    import tensorflow as tf

    tf.config.list_logical_devices()


def _compile_something() -> None:
    """Compile once, so that the process has announced its first compilation."""
    import tensorflow as tf

    tf.function(lambda: tf.zeros(()), autograph=False, jit_compile=True)()


def gpu_bytes() -> int:
    """Return the memory that TensorFlow may use on its largest GPU; 0 without one."""
    import tensorflow as tf

    if not tf.config.list_logical_devices("GPU"):
        return 0
    from tensorflow.python.client import device_lib  # there is no public way

    devices = device_lib.list_local_devices()
    return max(int(each.memory_limit) for each in devices if each.device_type == "GPU")


@contextmanager
def full_precision() -> Iterator[None]:
    """Have TensorFlow multiply 32-bit floats as they are.

    Otherwise it rounds factors to TensorFloat-32 on GPUs that have it. That leaves 10 bits of the
    fraction: a weight of 1 + 2⁻¹¹ would count as 1, and spikes would differ from the reference.
    The setting is the process's, so it is put back.
    """
    import tensorflow as tf

    config = tf.config.experimental
    before = config.tensor_float_32_execution_enabled()
    config.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        config.enable_tensor_float_32_execution(before)


_TRACED = ("snn_inisim.", "SpikeLayer.")
"""What the representations of traced functions of this package contain: a module or a class."""


def _expect_tracing() -> None:
    """Leave out the warning that functions of this package are traced often.

    They are traced once for each network and size of batch, which TensorFlow counts together, as
    the methods of all networks have the same code. Warnings of other functions stay.
    """
    import tensorflow as tf

    def is_wanted(record: logging.LogRecord) -> bool:
        message = record.getMessage()
        is_ours = any(name in message for name in _TRACED)
        return not (is_ours and "triggered tf.function retracing" in message)

    tf.get_logger().addFilter(is_wanted)


@contextmanager
def _hold_messages() -> Iterator[None]:
    """Hold back the standard error of the process; show it only if something fails.

    Before it reads any log level TensorFlow writes to the file descriptor itself, so there is no
    other way.
    """
    with tempfile.TemporaryFile() as kept:
        try:
            with redirect_process_stderr(kept):
                yield
        except BaseException:
            kept.seek(0)
            with suppress(OSError):  # there may be no standard error
                os.write(2, kept.read())
            raise
