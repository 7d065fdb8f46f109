"""HDF5 files of the integer network, for people who have the chip, and for lava-dl's NetX.

A network that NetX has words for lies in the groups ``layer/N``, as NetX reads them (lava-dl 0.6,
``lava.lib.dl.netx.hdf5.Network``): a chain of full layers and convolutions with one threshold each
and weights of eight bits without exponent. `export` says what keeps a network from that, and which
setting would help. All others lie in the groups ``population/N``, which NetX refuses.

``layer/0`` has the ``type`` ``input``. Where the host writes the weighted input into the biases of
the first population, it is this population, with its neurons; otherwise it has a ``shape`` only.
The others are ``conv``, ``dense``, or ``flatten`` between an image and a full layer.

- ``shape`` of images is ``(channels, height, width)``, kernels are ``(outputs, inputs, height,
  width)`` and correlate. ``kernelSize``, ``stride``, ``padding`` and ``dilation`` are ``(height,
  width)``. Matrices are ``(outputs, inputs)``; cells of images are numbered channel by channel.
- ``bias``, where the host writes none, holds a number for each neuron, of images ``(width, height,
  channels)``, in units of ``2**biasExp``. The exponent is 6 in NetX, which does not read it.
- ``neuron`` has ``type`` (``CUBA``), ``iDecay`` (4096: nothing is left of a current), ``vDecay``,
  ``refDelay`` and ``vThMant``. A chip's neuron fires above 64 times ``vThMant``, where this
  network's does at the threshold: with soft reset ``vStart`` is 1 higher, with hard reset
  ``vThMant`` is 1 lower if all potentials are multiples of 64; `export` remarks where they are not.

In NetX all layers begin at once. With ``reset_interval`` set to the steps of a sample and
``reset_offset`` to 1 each begins with its first input, one step after the layer before, as here.

What NetX does not read stands beside it: ``name``, ``sources``, ``fires``, ``resetMode`` (``soft``
or ``hard``), ``vStart`` (first membranes, in the order of ``bias``), ``firstStep`` (the step in
which a population begins), ``hostCurrent``, and ``cells``, the shape before flattening.

``population/N`` has the same datasets. There, weights are mantissas with the exponent
``weightExp``, thresholds may differ by channel, and layers of the type ``synapses`` have a group
``synapses/N`` for each source, with ``source``, ``pre``, ``post``, ``weight``, ``weightExp`` and
``delay`` (steps); ``pre`` and ``post`` number cells row by row, channels last. ``conv`` and
``dense`` have their ``delay`` beside them.
"""

from snn_loihi.netx.read import StoredLayer, StoredSynapses, read
from snn_loihi.netx.write import Exported, export

__all__ = ["Exported", "StoredLayer", "StoredSynapses", "export", "read"]
