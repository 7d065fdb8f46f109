"""Conformance: every kind of layer gives the numbers of the reference."""

from __future__ import annotations

import numpy as np

from snn_core.ir.layers import MAX_POOL_METHODS
from snn_core.testing import deep_networks, networks
from snn_core.testing.runner import cases, smoke
from snn_core.testing.suite import Suite


class Layers(Suite):
    """Tests of geometry and wiring."""

    @smoke
    @cases(*networks.LAYER_KINDS)
    def test_layer_kind(self, case: str) -> None:
        """A network with one layer of this kind builds, runs and spikes like the reference.

        If this fails: look at the ``build_...`` method of the kind; at the order of cells
        (row-major, channels last) if it only rearranges values.
        """
        network = networks.LAYER_KINDS[case]()
        self.check(network, networks.samples(network.input.output_shape))

    @cases("Conv2D", "DepthwiseConv2D", "Conv2DTranspose", "AveragePooling2D", "UpSampling2D")
    def test_shapes(self, case: str) -> None:
        """Height, width and channels, and both sides of the kernel, may all differ.

        If this fails while `test_layer_kind` passes: height and width are exchanged somewhere, in
        a reshape or in the numbering of cells.
        """
        network = networks.non_square(case)
        self.check(network, networks.samples(network.input.output_shape))

    @cases("valid", "same", "explicit")
    def test_strides_and_padding(self, case: str) -> None:
        """Convolutions take every stride with every padding.

        If this fails: "same" pads as TensorFlow does, the odd cell after the image
        (`snn_core.ir.shapes.resolve_padding`); strides are (vertical, horizontal).
        """
        padding = ((2, 0), (1, 3)) if case == "explicit" else case
        for kernel in ((2, 2), (3, 3)):
            for strides in ((1, 1), (1, 2), (2, 1), (3, 2)):
                network = networks.conv2d(
                    (5, 5, 1), kernel=kernel, outputs=2, strides=strides, padding=padding
                )
                self.check(network, networks.samples((5, 5, 1)))

    def test_dilation(self) -> None:
        """Kernels may be dilated, by different factors along height and width.

        If this fails: the taps of a kernel lie ``dilation`` cells apart.
        """
        for dilation in ((2, 2), (1, 2), (2, 1)):
            network = networks.conv2d((6, 6, 1), dilation=dilation, padding="same", seed=13)
            self.check(network, networks.samples((6, 6, 1)))

    def test_groups(self) -> None:
        """Output channels of a grouped convolution read only from their group of inputs.

        If this fails: the kernel's input axis has the channels of one group; group g of the outputs
        reads from group g of the inputs.
        """
        network = networks.conv2d((4, 4, 4), kernel=(2, 2), outputs=6, groups=2)
        self.check(network, networks.samples((4, 4, 4)))

    def test_pooling_at_borders(self) -> None:
        """Average pooling divides by the number of cells inside the image.

        If this fails: windows that reach over the border have fewer cells; zeros outside do not
        count.
        """
        self.check(networks.pooling_at_borders(), networks.samples((5, 5, 2)))

    @cases("Conv2D", "DepthwiseConv2D", "Conv2DTranspose", "AveragePooling2D", "relay")
    def test_positions_that_no_synapse_reaches(self, case: str) -> None:
        """Neurons that no synapse reaches get their bias, and nothing else.

        If this fails: a window that lies wholly in the padding, or between the cells of a kernel
        with holes, has an empty list of synapses. Such neurons exist, spike as often as their bias
        makes them, and others read them.
        """
        network = deep_networks.unreached(case)
        self.check(network, networks.clock_samples(network.input.output_shape))

    @cases(*MAX_POOL_METHODS)
    def test_max_pooling(self, case: str) -> None:
        """Max pooling passes on the winner of each window, also where windows overlap.

        If this fails: running rates are updated before the winner is chosen, ties go to the first
        cell in row-major order, and an input that wins several windows counts once in each
        (`snn_core.neurons.max_pooling.MaxPool`).
        """
        for overlapping in (False, True):
            network = networks.max_pooling(case, overlapping=overlapping)
            self.check(network, networks.clock_samples(network.input.output_shape))

    @cases(*MAX_POOL_METHODS)
    def test_minimum_pooling(self, case: str) -> None:
        """Max pooling takes the minimum in channels whose sign is negative.

        If this fails while `test_max_pooling` passes: in these channels the smallest running rate
        wins, and cells outside the image lose as everywhere (`MaxPooling2D.upright`).
        """
        network = deep_networks.minimum_pooling(case)
        self.check(network, networks.clock_samples(network.input.output_shape))

    @cases("plain", "Add", "minimum", "several")
    def test_graded_pooling(self, case: str) -> None:
        """Max pooling without neurons passes on how much the maximum of its sums grew.

        If this fails: the sums of all steps so far are compared, not those of this step; what is
        passed on is negative where the largest of them falls (`snn_core.neurons.max_pooling`).
        """
        network = deep_networks.graded_pooling(case)
        self.check(network, networks.clock_samples(network.input.output_shape))

    @cases(*MAX_POOL_METHODS)
    def test_max_pooling_readout(self, case: str) -> None:
        """Max pooling as the output integrates without spiking under the membrane read-out.

        If this fails while `test_max_pooling` passes: neurons behind a pool have no threshold, too,
        if their potentials are read, and their pool goes on as before.
        """
        network = deep_networks.pooled_readout(case)
        x_b_l = networks.clock_samples((4, 4, 1))
        expected, actual = self.reference(network, x_b_l), self.run(network, x_b_l)
        name = network.output.name
        self.compare_potentials(expected.output_b_l_t, actual.output_b_l_t, name)
        spikes = actual.spikecounts_n_b_l[name]
        assert not spikes.any(), f"{int(spikes.sum())} output spikes"

    @cases("three sources", "same source twice")
    def test_addition(self, case: str) -> None:
        """An addition has any number of inputs, and may name one repeatedly.

        If this fails: go through all of ``layer.inputs``; a source that occurs twice has two
        synapses onto each neuron, which a table by name or by pair of cells would merge or lose.
        """
        self.check(deep_networks.addition(case), networks.clock_samples((5,)))

    @cases("Concatenate", "Add")
    def test_branches(self, case: str) -> None:
        """Branches join in the order of a layer's inputs, each with its own scale.

        If this fails: `Concatenate` keeps the order of ``layer.inputs``, and row n of
        ``Add.weight_nc`` scales input n, channel by channel.
        """
        self.check(deep_networks.branches(case), networks.clock_samples((4, 4, 1)))

    @cases("AveragePooling2D", "UpSampling2D", "Add", "several")
    def test_relays(self, case: str) -> None:
        """A hidden layer with a linear activation has no neurons and passes its sum straight on.

        If this fails: ask ``network.has_neurons(layer)``. What a relay adds up reaches the next
        neurons in the same step.
        """
        network = deep_networks.relays(case)
        self.check(network, networks.clock_samples(network.input.output_shape))

    def test_relayed_bias(self) -> None:
        """The bias of a layer without neurons reaches the neurons behind it.

        If this fails: pass the relay's bias through the weights between it and the next neurons
        (`snn_core.ir.projections.drive_bias`).
        """
        self.check(deep_networks.relayed_bias(), np.zeros((1, 3), np.float32))

    def test_update_order(self) -> None:
        """Layers are updated in topological order, whatever their names.

        If this fails: take the order of ``network.layers``; don't sort, or keep layers in a set.
        """
        weights = tuple(networks.passing_on(5, seed=seed) for seed in (20, 21))
        network = networks.chain(weights, names=("C_first", "B_second", "A_third"))
        self.check(network, networks.clock_samples((5,)))

    def test_deep_network(self) -> None:
        """A spike passes through all layers within its step, each layer's steps being its own.

        If this fails: if your simulator needs a delay, declare ``delay_steps``, begin each layer at
        ``self.timing.first_step`` and record its steps from there on. If only operations differ, a
        spike costs one for each synapse it meets, whatever the weight (`snn_core.operations`).
        """
        weights = tuple(networks.passing_on(5, seed=seed) for seed in range(22, 26))
        self.check(networks.chain(weights), networks.clock_samples((5,)))

    @cases("Add", "Concatenate")
    def test_skip_connection(self, case: str) -> None:
        """What skips three layers arrives together with what passes them.

        If this fails: a projection takes ``self.timing.delay(source, target)`` steps. With a delay,
        one that skips layers has to wait for those that do not.
        """
        self.check(networks.skip_connection(case), networks.clock_samples((5,)))

    @cases("Add, constant", "Add, regular", "Concatenate, constant", "Concatenate, regular")
    def test_skip_from_input(self, case: str) -> None:
        """What comes straight from the input arrives together with what passes two layers.

        If this fails while `test_skip_connection` passes: the input is a population like others,
        whose spikes, and the start of its current, wait for those that pass more layers.
        """
        join, encoding = case.split(", ")
        self.needs_setting("input.encoding", encoding)
        network = deep_networks.skip_from_input(join)
        self.check(network, networks.clock_samples((5,), seed=2), input={"encoding": encoding})
