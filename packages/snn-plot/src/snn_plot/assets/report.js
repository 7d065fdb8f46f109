"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  // Colours follow the page, which follows the system: light, dark or paper.
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  let SPIKING, ANALOG, GREY, PALETTE;
  const GREEN = "#009E73";
  function takeColors() {
    [SPIKING, ANALOG, GREY] = ["spiking", "analog", "quiet"].map(color);
    PALETTE = [SPIKING, ANALOG, GREEN, "#CC79A7", "#999933", "#88CCEE", color("text")];
  }
  takeColors();
  const CONFIG = { responsive: true, displaylogo: false, displayModeBar: false };
  const t = data.time.t;
  const IS_SHARE = data.accuracy.is_share;
  const VALUE = IS_SHARE ? "%{y:.2f} %" : "%{y:.4g}";
  const MEASURE = { title: { text: data.accuracy.label }, ...(IS_SHARE ? { range: [0, 102] } : { rangemode: "tozero" }) };
  const SI_TICKS = { dtick: "D2", tickformat: ".2~s" };
  const narrow = () => window.innerWidth < 700;

  function draw(id, traces, layout) {
    const base = {
      font: { size: narrow() ? 11 : 12, color: color("text") },
      margin: { l: 58, r: 14, t: 34, b: 46 },
      hovermode: "closest",
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 11 } },
      paper_bgcolor: color("page"), plot_bgcolor: color("page"),
    };
    const axis = { gridcolor: color("grid"), zerolinecolor: color("line"), automargin: true };
    const merged = { ...base, ...layout };
    for (const name of ["xaxis", "yaxis"]) merged[name] = { ...axis, ...layout[name] };
    const element = document.getElementById(id);
    element.hidden = false;
    const drawn = element.dataset.drawn ? Plotly.react : Plotly.newPlot;
    element.dataset.drawn = "1";
    return drawn(element, traces, merged, CONFIG);
  }

  function band(low, high, name) {
    const common = { x: t, mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false };
    return [
      { ...common, y: low },
      { ...common, y: high, fill: "tonexty", fillcolor: color("band"), name,
        showlegend: true, line: { width: 0, color: SPIKING } },
    ];
  }

  function level(y, name) {
    return { x: [0, t[t.length - 1]], y: [y, y], mode: "lines", name,
             line: { color: ANALOG, dash: "dash", width: 1.5 } };
  }

  function accuracy() {
    const a = data.accuracy;
    const hover = `${VALUE} at %{x}<extra>%{fullData.name}</extra>`;
    const best = { x: t, y: a.top_k, mode: "lines", name: `class among ${a.k} best`, visible: "legendonly",
                   line: { color: GREEN }, hovertemplate: hover };
    draw("chart-accuracy", [
      ...band(a.low, a.high, a.interval),
      { x: t, y: a.snn, mode: "lines", name: "spiking", line: { color: SPIKING }, hovertemplate: hover },
      ...(a.top_k ? [best] : []),
      ...(a.ann === null ? [] : [{ ...level(a.ann, "analog"), hovertemplate: hover }]),
    ], { xaxis: { title: { text: data.time.label }, rangemode: "tozero" }, yaxis: MEASURE });
  }

  function operations() {
    const o = data.operations;
    draw("chart-operations", [
      ...band(o.low, o.high, "5 % to 95 % of samples"),
      { x: t, y: o.snn, mode: "lines", name: "spiking, mean", line: { color: SPIKING } },
      level(o.ann, "analog"),
    ], { xaxis: { title: { text: data.time.label }, rangemode: "tozero" },
         yaxis: { title: { text: "operations per sample" }, rangemode: "tozero" } });
    draw("chart-pareto", [
      { x: o.snn, y: data.accuracy.snn, mode: "lines+markers", name: "spiking", text: t.map(String),
        marker: { size: 4 }, line: { color: SPIKING },
        hovertemplate: `${VALUE} with %{x:.3s} operations (${data.time.label} %{text})<extra></extra>` },
      ...(data.accuracy.ann === null ? [] : [{ x: [o.ann], y: [data.accuracy.ann], mode: "markers", name: "analog",
        marker: { color: ANALOG, size: 10, symbol: "star" } }]),
    ], { xaxis: { title: { text: "operations per sample" }, type: "log", ...SI_TICKS },
         yaxis: MEASURE });
  }

  function spikes() {
    const layers = data.layers.filter((layer) => layer.spikes_t);
    if (!layers.length) return clear("chart-spikes");
    draw("chart-spikes", layers.map((layer, i) => ({
      x: t, y: layer.spikes_t, mode: "lines", name: layer.name,
      line: { color: PALETTE[i % PALETTE.length], dash: i < PALETTE.length ? "solid" : "dot" },
    })), { xaxis: { title: { text: data.time.label } }, hovermode: narrow() ? "closest" : "x unified",
           yaxis: { title: { text: "spikes per sample so far" }, type: "log", ...SI_TICKS } });
  }

  function scatter(layer) {
    const both = [layer.rates, layer.activations];
    if (!both.every(Boolean)) return clear("chart-correlation", "chart-histogram");
    const names = layer.labels;
    const top = 1.05 * Math.max(...both.flat(), 1e-6), low = Math.min(...both.flat(), 0);
    draw("chart-correlation", [
      { x: layer.activations, y: layer.rates, mode: "markers", name: layer.points,
        marker: { color: SPIKING, size: 4, opacity: 0.5 },
        hovertemplate: `${names.activations}: %{x}<br>${names.rates}: %{y}<extra></extra>` },
      { x: [low, top], y: [low, top], mode: "lines", name: "equal", hoverinfo: "skip",
        line: { color: GREY, dash: "dash", width: 1 } },
    ], { xaxis: { title: { text: names.activations }, rangemode: "tozero" },
         yaxis: { title: { text: names.rates }, rangemode: "tozero" } });
    // Bins are made where the spike code is known: one for each rate there can be.
    const h = layer.histogram;
    const width = h.edges.slice(1).map((edge, i) => edge - h.edges[i]);
    const middle = width.map((w, i) => h.edges[i] + w / 2);
    const bars = (y, name, color) => ({ x: middle, y, width, name, type: "bar", marker: { color }, opacity: 0.55,
      hovertemplate: "%{y:.3g} % at about %{x:.3g}<extra>%{fullData.name}</extra>" });
    const short = (name) => name.replace(/ \(.*/, "");
    draw("chart-histogram", [bars(h.activations, short(names.activations), ANALOG), bars(h.rates, short(names.rates), SPIKING)],
      { barmode: "overlay", bargap: 0, xaxis: { title: { text: names.both } },
        yaxis: { title: { text: "share of neurons (%)" }, type: "log", ...powers([...h.activations, ...h.rates]) } });
  }

  // Ticks of a logarithmic axis with all their digits: powers of ten, or 1, 2, 5 where it is short.
  function powers(values) {
    const known = values.filter((value) => value > 0);
    return { dtick: Math.max(...known) > 30 * Math.min(...known) ? 1 : "D2", tickformat: "~g" };
  }

  function picture(id, image, name, scale, colors = "Viridis") {
    if (!image) return clear(id);
    draw(id, [{ z: image.z, type: "heatmap", colorscale: colors, zmin: scale[0], zmax: scale[1],
                hoverongaps: false, hovertemplate: "%{z}<extra></extra>",
                colorbar: { thickness: 10, len: 0.9 } }],
      { title: { text: `${name}<br><sub>${image.remark}</sub>`, font: { size: 13 } },
        margin: { l: 14, r: 14, t: 50, b: 14 },
        xaxis: { visible: false },
        yaxis: { visible: false, autorange: "reversed", scaleanchor: "x", constrain: "domain" } });
  }

  function coloured(id, image, name) {
    draw(id, [{ z: image.colours, type: "image", hovertemplate: "%{z}<extra></extra>" }],
      { title: { text: `${name}<br><sub>${image.remark}</sub>`, font: { size: 13 } },
        margin: { l: 14, r: 14, t: 50, b: 14 },
        xaxis: { visible: false },
        yaxis: { visible: false, autorange: "reversed", scaleanchor: "x", constrain: "domain" } });
  }

  function pictures(layer) {
    const images = [layer.activation_picture, layer.rate_picture];
    const values = images.filter(Boolean).flatMap((image) => image.z.flat()).filter((v) => v !== null);
    const scale = [values.reduce((a, b) => Math.min(a, b), 0), values.reduce((a, b) => Math.max(a, b), 1e-6)];
    picture("chart-activation", images[0], layer.labels.activations, scale);
    picture("chart-rate", images[1], layer.labels.rates, scale);
  }

  function raster(layer) {
    const r = layer.raster;
    if (!r) return clear("chart-raster");
    const z = r.neurons.map(() => new Array(r.steps).fill(0));
    r.row.forEach((row, i) => { z[row][r.step[i]] = 1; });
    r.negative.forEach((i) => { z[r.row[i]][r.step[i]] = -1; });
    const shown = r.neurons.length < r.of ? `${r.neurons.length} of ${r.of} neurons, evenly chosen` : `${r.of} neurons`;
    const step = t.length === r.steps ? t : undefined;
    draw("chart-raster", [{ z, x: step, y: r.neurons, type: "heatmap", zmin: -1, zmax: 1, showscale: false,
      colorscale: [[0, ANALOG], [0.5, color("empty")], [1, SPIKING]],
      hovertemplate: "neuron %{y}, %{x}: %{z}<extra></extra>" }],
      { title: { text: `${layer.name}: ${narrow() ? "<br>" : ""}${shown}`, font: { size: 13 } },
        margin: { l: 58, r: 14, t: narrow() ? 52 : 34, b: 46 },
        xaxis: { title: { text: data.time.label } }, yaxis: { title: { text: "neuron (index)" } } });
  }

  function confusion() {
    const { counts, totals, classes, names: known, undecided, remark, wrong, wrong_total: total } = data.confusion;
    const names = classes.map((number) => known[number]);
    const columns = undecided ? [...names, "none"] : names;
    const share = counts.map((row, i) => row.map((n) => (totals[i] ? (100 * n) / totals[i] : null)));
    const few = counts.length <= 15;
    draw("chart-confusion", [{ z: share, x: columns, y: names, text: counts.map((line) => line.map((n) => n || "")), type: "heatmap", 
      colorscale: [[0, color("empty")], [1, color("full")]], zmin: 0, zmax: 100, texttemplate: few ? "%{text}" : "", colorbar: { thickness: 10, title: { text: "%" } }, customdata: counts,
      hovertemplate: "class %{y} predicted as %{x}: %{customdata} (%{z:.1f} %)<extra></extra>" }],
      { title: { text: remark, font: { size: 13 } },
        xaxis: { title: { text: "predicted class" }, type: "category" },
        yaxis: { title: { text: "true class" }, type: "category", autorange: "reversed" } });
    const place = document.getElementById("wrong");
    const title = document.createElement("p");
    title.textContent = total ? `${total} wrong${total > wrong.length ? `, the first ${wrong.length}` : ""}:` : "No sample is decided wrongly.";
    place.append(title);
    if (!total) return;
    const table = document.createElement("table");
    const row = (cells, tag) => {
      const tr = table.insertRow();
      for (const text of cells) { const c = document.createElement(tag); c.textContent = text; tr.append(c); }
    };
    const named = (n) => (n < 0 ? "none" : known[n] ?? n);
    row(["sample", "class", "spiking", "analog"], "th");
    wrong.forEach((w) => row(w.map((n, i) => (i ? named(n) : n)), "td"));
    place.append(table);
  }

  function outputs() {
    const o = data.outputs;
    const dots = (y, name, color) => ({ x: o.expected, y, mode: "markers", name, marker: { color, size: 4, opacity: 0.5 },
                                        hovertemplate: `${o.label} %{x}, output %{y}<extra>%{fullData.name}</extra>` });
    const ends = [Math.min(...o.expected), Math.max(...o.expected)];
    draw("chart-confusion", [
      ...(o.ann ? [dots(o.ann, "analog", ANALOG)] : []),
      dots(o.snn, "spiking", SPIKING),
      { x: ends, y: ends, mode: "lines", name: "equal", hoverinfo: "skip", line: { color: GREY, dash: "dash", width: 1 } },
    ], { xaxis: { title: { text: o.label } }, yaxis: { title: { text: "output" } } });
  }

  function decisions() {
    if (data.confusion) confusion();
    else if (data.outputs) outputs();
    else document.getElementById("confusion").hidden = true;
  }

  function clear(...ids) {
    for (const id of ids) {
      const element = document.getElementById(id);
      if (element.dataset.drawn) { Plotly.purge(element); delete element.dataset.drawn; }
      element.hidden = true;
    }
  }

  function choose(index) {
    const layer = data.layers[index];
    if (!layer) return;
    select.value = String(index);
    document.querySelectorAll(".layers tbody tr").forEach((tr, i) => tr.classList.toggle("chosen", i === index));
    scatter(layer);
    pictures(layer);
    raster(layer);
  }

  const select = document.getElementById("layer");
  data.layers.forEach((layer, i) => select.add(new Option(layer.name, String(i))));
  select.addEventListener("change", () => choose(Number(select.value)));
  document.querySelectorAll(".layers tbody tr").forEach((tr, i) => tr.addEventListener("click", () => choose(i)));
  // A page of paper is about 700 px wide; charts beside each other share it.
  const PRINTED = { "chart-raster": 440, "chart-input": 220 };
  const charts = () => document.querySelectorAll(".js-plotly-plot");
  window.addEventListener("beforeprint", () => charts().forEach((chart) => {
    const width = PRINTED[chart.id] || (chart.parentElement.classList.contains("pair") ? 340 : 690);
    Plotly.relayout(chart, { width, height: chart.clientHeight });
  }));
  window.addEventListener("afterprint", () => charts().forEach((chart) => {
    Plotly.relayout(chart, { width: null, height: null, autosize: true });
  }));

  function drawAll() {
    takeColors();
    accuracy();
    operations();
    spikes();
    choose(Number(select.value) || 0);
    if (data.input && data.input.colours) coloured("chart-input", data.input, "input");
    else if (data.input) picture("chart-input", data.input, "input", data.input.range, "Greys");
    else clear("chart-input");
    document.getElementById("wrong").replaceChildren();
    decisions();
  }

  drawAll();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  document.body.dataset.ready = "1";
})();
