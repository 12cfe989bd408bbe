// Energy against volume, and against trial with the lowest so far of each origin.
"use strict";
(function (R) {
  const MANY = 1000; // points of a plot; of more those are left out that lie under others
  const GRID = 50; // cells along each axis, of which one point is drawn then

  R.plotOptions = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
    toImageButtonOptions: { format: "svg", filename: "gencsp" } };

  R.layout = (more = {}) => {
    const axis = { zeroline: false, linecolor: "#8796a5", gridcolor: "#eef1f5", ticks: "outside", tickcolor: "#8796a5",
      automargin: true, title: { standoff: 8 } };
    const { xaxis = {}, yaxis = {}, ...rest } = more;
    return {
      font: { family: "system-ui, 'Segoe UI', Arial, 'DejaVu Sans', sans-serif", size: 12, color: "#1c2733" },
      margin: { l: 56, r: 12, t: 8, b: 44 }, paper_bgcolor: "#fff", plot_bgcolor: "#fff", hovermode: "closest",
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, font: { size: 11 } },
      xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis }, ...rest,
    };
  };

  R.hover = (i) => {
    const c = R.columns;
    const value = R.energy(i);
    const energy = `${R.data.symbol}${c.above[i] === null ? "" : "<sub>d</sub>"} ${value?.toFixed(4)} eV/atom`;
    return [`<b>${R.plainFormula(c.formula[i])}</b>`, energy, R.plain(c.group[i]), R.plain(c.id[i])]
      .filter(Boolean).join("<br>");
  };

  // The places of points that are seen. Of many points in one small cell of the plot the lowest in
  // energy is drawn; those above the range of the axis share the last cell of their column.
  R.seen = (some, x, y) => {
    if (some.length <= MANY) return some;
    const range = (values) => {
      const [low, high] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
      return [low, Math.max(high - low, 1e-9)];
    };
    const [left, width] = range(some.map(x));
    const [low, high] = R.energyRange(some.map(y));
    const cells = new Map();
    for (const i of some) {
      const up = Math.min(Math.floor((GRID * (y(i) - low)) / (high - low)), GRID);
      const key = `${Math.floor((GRID * (x(i) - left)) / width)} ${up}`;
      if (!cells.has(key) || R.energy(i) < R.energy(cells.get(key)) ) cells.set(key, i);
    }
    return [...cells.values()];
  };

  // The range of an axis of energies: up to most of the points, so that those far above do not
  // press the others together; who wants to see them zooms out.
  R.energyRange = (values, floor = Infinity) => {
    const sorted = values.filter((v) => v !== null).sort((a, b) => a - b);
    if (!sorted.length) return undefined;
    const low = Math.min(sorted[0], floor);
    const high = sorted[Math.floor(0.92 * (sorted.length - 1))];
    const room = Math.max(high - low, 0.02);
    return [low - 0.1 * room, high + 0.08 * room];
  };

  const points = (some, x, y) => ({
    x: some.map(x), y: some.map(y), text: some.map(R.hover), customdata: some, mode: "markers",
    hovertemplate: "%{text}<extra></extra>",
  });

  const ring = {
    mode: "markers", showlegend: false, hoverinfo: "skip",
    marker: { symbol: "circle-open", size: 15, color: "#000", line: { width: 2.5 } },
  };
  const ringAt = (where) => {
    const at = R.selected === null ? null : where(R.selected);
    const axes = at && !at.includes(null) && !at.includes(undefined) ? at : [];
    return Object.fromEntries(["x", "y", "z"].slice(0, Math.max(axes.length, 2)).map((axis, k) => [axis, axes.length ? [axes[k]] : []]));
  };

  // Move the ring around the structure that is chosen, in all plots.
  R.markPoint = () => {
    for (const place of document.querySelectorAll(".js-plotly-plot")) {
      if (!place.where) continue;
      const at = Object.fromEntries(Object.entries(ringAt(place.where)).map(([axis, values]) => [axis, [values]]));
      Plotly.restyle(place, at, [place.data.length - 1]);
    }
  };

  // Draw, with a ring where the chosen structure is, and let a click choose another one.
  // ``where`` gives the place of a structure, with null in it where it has none.
  R.plot = (id, traces, layout, where, more = {}) => {
    const place = R.get(id);
    const first = !place.classList.contains("js-plotly-plot");
    place.where = where;
    const done = Plotly.react(place, [...traces, { ...ring, ...ringAt(where), ...more }], layout, R.plotOptions);
    if (first) {
      place.on("plotly_click", (event) => {
        const hit = event.points.find((point) => typeof point.customdata === "number");
        if (hit) R.select(hit.customdata);
      });
    }
    return done;
  };

  const byOrigin = (some) => {
    const groups = R.colours.map(() => []);
    for (const i of some) groups[R.originPlace(R.columns.origin[i])].push(i);
    return groups;
  };
  const name = (place) =>
    place < R.colours.length - 1 || R.originNames.length === R.colours.length
      ? R.originNames[place] ?? "others" : "others";
  const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "cross", "x", "circle"];
  const SIGNS = ["●", "◆", "■", "▲", "✚", "✖", "●"];

  // One legend for both plots: what is drawn of each origin, by its sign.
  R.writeLegend = () => {
    const legend = R.get("origin-legend");
    const places = [...new Set(R.all.filter(R.hasEnergy).map((i) => R.originPlace(R.columns.origin[i])))].sort();
    for (const place of places) {
      const item = R.element("span");
      const sign = R.element("b", SIGNS[place]);
      sign.style.color = R.colours[place];
      item.append(sign, ` ${name(place)}`);
      legend.append(item);
    }
    if (places.length) legend.append(R.element("span", "⋯ lowest so far, of all; thin lines: of each"));
  };

  const marker = (place) => ({ color: R.colours[place], size: 6, opacity: 0.75, symbol: SYMBOLS[place] });

  R.drawVolume = () => {
    const all = R.shown.filter((i) => R.hasEnergy(i) && R.columns.volume[i] !== null);
    R.get("volume-plot").closest(".card").hidden = !all.length;
    if (!all.length) return;
    const y = R.energy;
    const some = R.seen(all, (i) => R.columns.volume[i], y);
    const traces = byOrigin(some).map((group, place) => ({ ...points(group, (i) => R.columns.volume[i], y), 
      marker: marker(place) })).filter((trace) => trace.x.length);
    R.plot("volume-plot", traces, R.layout({
      uirevision: "volume", showlegend: false, xaxis: { title: { text: "volume (Å³/atom)" } },
      yaxis: { title: { text: R.energyName }, range: R.energyRange(all.map(y)) },
    }), (i) => [R.columns.volume[i], y(i)]);
  };

  // The lowest energy up to each trial, as the corners of a staircase.
  const staircase = (group, last) => {
    const ordered = [...group].sort((a, b) => R.columns.trial[a] - R.columns.trial[b]);
    const line = { x: [], y: [] };
    let best = Infinity;
    for (const i of ordered) {
      if (R.energy(i) >= best) continue;
      best = R.energy(i);
      line.x.push(R.columns.trial[i]);
      line.y.push(best);
    }
    if (line.x.length) {
      line.x.push(last);
      line.y.push(best);
    }
    return line;
  };

  R.drawTrials = () => {
    const all = R.shown.filter((i) => R.hasEnergy(i) && R.columns.trial[i] !== null);
    R.get("trial-plot").closest(".card").hidden = !all.length;
    if (!all.length) return;
    const some = R.seen(all, (i) => R.columns.trial[i], R.energy);
    const last = all.reduce((most, i) => Math.max(most, R.columns.trial[i]), 0);
    const traces = [];
    byOrigin(some).forEach((group, place) => {
      if (!group.length) return;
      traces.push({ ...points(group, (i) => R.columns.trial[i], R.energy), marker: { ...marker(place), size: 5, opacity: 0.55 } });
    });
    byOrigin(all).forEach((group, place) => {
      if (group.length) traces.push({ ...staircase(group, last), mode: "lines", line: { color: R.colours[place], width: 1.4, shape: "hv" }, hoverinfo: "skip" });
    });
    traces.push({ ...staircase(all, last), mode: "lines", line: { color: "#000", width: 2, shape: "hv", dash: "dot" },
      hoverinfo: "skip" });
    R.plot("trial-plot", traces, R.layout({
      uirevision: "trial", showlegend: false, xaxis: { title: { text: R.trialName }, rangemode: "tozero" },
      yaxis: { title: { text: R.energyName }, range: R.energyRange(all.map(R.energy)) },
    }), (i) => [R.columns.trial[i], R.energy(i)]);
  };
})(window.gencspReport);
