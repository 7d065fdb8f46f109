"""Captions of docs/gallery.md: what each figure shows, and what a good one looks like."""

CAPTIONS = {
    "plot_error_vs_time": (
        "Share of wrong decisions after each step, of 1000 images. Below the share of one "
        "sample the axis is linear, above it is logarithmic, so that the last percent can be "
        "read. **Good**: the curves fall early and end on the dashed lines of the analog "
        "network; bands that touch them say that more samples would be needed to tell the "
        "networks apart."
    ),
    "plot_measure_vs_time": (
        "The same where outputs are numbers: the mean squared error, here of a network that "
        "tells how high and how wide a digit is. **Good**: the curve flattens near the dashed "
        "line; if it still falls at the end, more steps would help."
    ),
    "plot_ops_vs_time": (
        "Operations that an image has cost up to each step. **Good**: the accuracy is reached "
        "before the thick curve crosses the dashed line; from there on the analog network "
        "would have been cheaper."
    ),
    "plot_comparison": (
        "Presets, spike codes and simulators compared: `snn plot --compare RUN_A RUN_B`. A mark "
        "ends each run; where one curve shows in the gaps of another, both runs decide alike. "
        "**Good** is up and to the left: the thin black line joins the points that no run beats."
    ),
    "plot_confusion_matrix": (
        "Predictions by true class, of 1000 images. **Good**: dark cells along the diagonal "
        "alone. A column with many dark cells is a class that the network prefers; samples "
        "under `none` had no spike in the output."
    ),
    "plot_outputs": (
        "Outputs over their targets. **Good**: blue dots lie on the orange ones, whatever the "
        "analog network's own distance from the dashed line. Blue dots that stop at a value "
        "are saturated."
    ),
    "plot_input_image": (
        "What enters the network: the mean input over all steps, from the darkest to the "
        "brightest value. **Good**: you recognize the sample. Noise, a wrong range or turned "
        "axes mean that the data are prepared in another way than for training."
    ),
    "plot_spiketrains": (
        "Which neuron fired when; of a large layer, evenly chosen neurons. **Good**: rows of "
        "even density that differ from each other. All rows full is saturation, empty space "
        "is a silent layer, vertical stripes are neurons in step."
    ),
    "plot_events": (
        "The same spikes as events, by each part of their address; larger dots are more "
        "events. **Good**: rows and columns in which the object lies are busy, the others "
        "quiet."
    ),
    "plot_activity_frames": (
        "Rates in eight parts of the time, the mean over all maps. **Good**: the pictures "
        "look alike after the first; one that still changes at the end has not settled."
    ),
    "plot_potential": (
        "Membrane potentials: of the output, the predicted and the true class and others that "
        "differ; of a hidden layer, neurons from quiet to busy. **Good**, where spikes are "
        "counted: the predicted class fires, its potential between 0 and 1, while all others "
        "sink. One far above the threshold cannot be fired off: scales are too small. An output "
        'whose potentials are read (`readout = "membrane"`) never fires and has no threshold. '
        "**Good** there: the predicted class climbs ever higher, and ends above all others."
    ),
    "plot_spikecount_vs_time": (
        "Spikes of each layer up to each step. **Good**: all curves rise early and steadily, "
        "deep layers a few steps later. A layer that stays at 0 stops all behind it."
    ),
    "plot_activations": (
        "Activations of the analog network for one image: hidden layers on one scale, the "
        "output as bars of its own. **Good**: every layer shows some of the image, most "
        "neurons below 1, and one bar stands out."
    ),
    "plot_layer_activity": (
        "Rates of a layer for one image, map by map. **Good**: it looks like the layer's "
        "activations, with values over the whole scale. One colour everywhere is a layer that "
        "says nothing."
    ),
    "plot_activations_minus_rates": (
        "By how much rates miss the activations: blue too low, red too high. **Good**: pale "
        "noise of a few spikes in all steps, here 0.01 each. Whole maps in one colour point "
        "to a wrong bias or scale."
    ),
    "plot_layer_summaries": (
        "A layer at one glance, for one image. **Good**: the first two pictures cannot be "
        "told apart, the third is pale, dots lie on the line, and rates reach beyond the "
        "first few bars."
    ),
    "plot_layer_correlation": (
        "Rates of a layer over activations, all images. **Good**: dots on the dashed line, r "
        "near 1. A horizontal ceiling is saturation; dots along the bottom are neurons that "
        "have not fired yet."
    ),
    "plot_network_correlations": (
        "The same of all layers. **Good**: all panels look like the first; the layer from "
        "which on dots leave the line is the one to mend."
    ),
    "plot_correlations": ("Any two arrays: here means over all images. **Good**: a narrow band."),
    "plot_pearson_coefficients": (
        "Correlation of rates and activations, image by image. **Good**: all layers close to "
        "1 with short lines. It falls from layer to layer; a sudden fall points to that "
        "layer."
    ),
    "plot_hist": (
        "Rates of a layer, a bar for each of the 101 rates that 100 steps allow, and the "
        "activations over the same bins. **Good**: the outline follows the bars. A tall bar "
        "at 1 is saturation; an outline without bars near 0 are activations too small for the "
        "steps."
    ),
    "plot_activ_hist": (
        "Activations before and after normalization. **Good**: after it, nearly all are below "
        "1 and many above 0.1; if all are tiny, an outlier has set the scale: lower the "
        "percentile."
    ),
    "plot_max_activ_hist": (
        "Largest activation in each image. **Good**: around 1. Far above, neurons saturate; "
        "far below, steps are wasted."
    ),
    "plot_hist_combined": (
        "Rates of all hidden layers. **Good**: curves that fall alike and end near 1; one "
        "that ends early has a scale that is too large."
    ),
    "plot_weight_distribution": (
        "Weights of all layers, as shares of the threshold. **Good**: single humps around 0, "
        "below 1. Weights beyond 1 make a neuron fire from a single spike."
    ),
    "plot_parameter_histogram": (
        "Weights and biases of a layer. **Good**: as above; biases far beyond the weights "
        "fire without any input."
    ),
    "plot_param_sweep": (
        "Accuracy after 30 steps over the percentile of the normalization. **Good**: a wide "
        "top, so that the choice hardly matters; choose a value from its middle."
    ),
    "plot_history": (
        "Training anew on 500 images only. **Good**: validation follows training; curves that "
        "part, as here, mean too few data."
    ),
    "plot_probe": (
        "All columns of a table of measurements; here energy that was estimated from the "
        "run's operations, 0.9 pJ each. **Good**: even after the first steps; bursts tell of "
        "neurons in step."
    ),
    "plot_energy_probe": (
        "Energy used up to each time, estimated likewise. **Good**: straight lines; the total "
        "is above."
    ),
    "plot_power_probe": (
        "Power and its means, estimated likewise. **Good**: no peaks far above the mean, "
        "which the supply would have to bear."
    ),
    "plot_execution_time_probe": (
        "Time that each image took, measured one by one. **Good**: even; the part that takes "
        "most is the one to look at. Here it is scoring and saving, since each image is saved "
        "alone. Slow first images are warming up, single peaks are other programs."
    ),
}
