// Energy against volume, and against trial with the lowest so far of each origin.
"use strict";
(function (R) {
  const MOST = 4000; // points of a plot; of more the lowest are drawn

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

  // What is drawn of the structures that are shown: those with an energy, the lowest of too many.
  R.drawn = (shown) => {
    const some = shown.filter(R.hasEnergy);
    if (some.length <= MOST) return some;
    return some.sort((a, b) => R.energy(a) - R.energy(b)).slice(0, MOST);
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

  R.ring = (x, y) => ({
    x, y, mode: "markers", showlegend: false, hoverinfo: "skip", name: "selected",
    marker: { symbol: "circle-open", size: 15, color: "#000", line: { width: 2.5 } },
  });

  // Draw, and let a click choose a structure.
  R.plot = (id, traces, layout) => {
    const place = R.get(id);
    const first = !place.classList.contains("js-plotly-plot");
    const done = Plotly.react(place, traces, layout, R.plotOptions);
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
    const some = R.drawn(R.shown).filter((i) => R.columns.volume[i] !== null);
    R.get("volume-plot").closest(".card").hidden = !some.length;
    if (!some.length) return;
    const y = (i) => R.energy(i);
    const traces = byOrigin(some).map((group, place) => ({ ...points(group, (i) => R.columns.volume[i], y), 
      marker: marker(place) })).filter((trace) => trace.x.length);
    const chosen = some.includes(R.selected) ? [R.selected] : [];
    traces.push(R.ring(chosen.map((i) => R.columns.volume[i]), chosen.map(y)));
    R.plot("volume-plot", traces, R.layout({
      uirevision: "volume", showlegend: false, xaxis: { title: { text: "volume (Å³/atom)" } },
      yaxis: { title: { text: R.energyName }, range: R.energyRange(some.map(y)) },
    }));
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
    const some = R.drawn(all);
    R.get("trial-plot").closest(".card").hidden = !some.length;
    if (!some.length) return;
    const last = Math.max(...all.map((i) => R.columns.trial[i]));
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
    const chosen = some.includes(R.selected) ? [R.selected] : [];
    traces.push(R.ring(chosen.map((i) => R.columns.trial[i]), chosen.map(R.energy)));
    R.plot("trial-plot", traces, R.layout({
      uirevision: "trial", showlegend: false, xaxis: { title: { text: R.trialName }, rangemode: "tozero" },
      yaxis: { title: { text: R.energyName }, range: R.energyRange(some.map(R.energy)) },
    }));
  };
})(window.gencspReport);
