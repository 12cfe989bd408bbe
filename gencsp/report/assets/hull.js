// The convex hull: of two end members a line, of three a triangle, of four a tetrahedron.
"use strict";
(function (R) {
  const hull = R.data.hull;
  const WIDEST = 0.2; // eV/atom: where the colours of energies end
  const CORNERS = {
    3: [[0, 0], [1, 0], [0.5, Math.sqrt(3) / 2]],
    4: [[0, 0, 0], [1, 0, 0], [0.5, Math.sqrt(3) / 2, 0], [0.5, Math.sqrt(3) / 6, Math.sqrt(2 / 3)]],
  };
  // Cividis, which is even in lightness for any colour vision; the lowest are dark.
  const SCALE = [[0, "#00204d"], [0.25, "#31446b"], [0.5, "#7c7b78"], [0.75, "#b9ac70"], [1, "#ffe945"]];

  const mix = (shares, corners) =>
    corners[0].map((_, axis) => shares.reduce((sum, share, k) => sum + share * corners[k][axis], 0));
  const phaseText = (phase) =>
    `<b>${R.plainFormula(phase.formula)}</b><br>reference ${R.plain(phase.label)}<br>${R.data.symbol}<sub>d</sub> ${phase.above.toFixed(4)} eV/atom`;

  const onHull = () => R.shown.filter((i) => R.hasEnergy(i) && R.columns.shares[i]);

  // Names on the line of two end members: on its falling side at the left, on the rising one at the
  // right, and lower where another name stands there already.
  const binaryNames = (stable, labels, room) => {
    const deepest = stable.reduce((a, b) => (b.formation < a.formation ? b : a), stable[0]);
    const [wide, high] = [R.get("hull-plot").clientWidth * 0.9, 300];
    const aside = (phase, place) => {
      const { shares: [, x] } = phase;
      const down = -13 * place;
      if (x === 0 || x === 1) return { yshift: 12, xshift: x === 0 ? 12 : -12 };
      if (phase === deepest) return { yshift: -13 + down, xshift: 0 };
      return x < deepest.shares[1] ? { xanchor: "right", xshift: -7, yshift: -4 + down } : { xanchor: "left", xshift: 7, yshift: -6 + down };
    };
    const placed = [];
    stable.forEach((phase, k) => {
      if (!labels[k]) return;
      const width = 7 * phase.formula.length;
      for (const place of [0, 1, 2]) {
        const shift = aside(phase, place);
        const left = wide * phase.shares[1] + shift.xshift - ({ left: 0, right: width }[shift.xanchor] ?? width / 2);
        const y = (high * phase.formation) / room + shift.yshift;
        if (placed.some((one) => left < one.right && one.left < left + width && Math.abs(one.y - y) < 13)) continue;
        placed.push({ left, right: left + width, y, label: { x: phase.shares[1], y: phase.formation, text: labels[k], showarrow: false, font: { size: 11 }, ...shift } });
        return;
      }
    });
    return placed.map((one) => one.label);
  };

  const binary = () => {
    const all = onHull();
    const some = R.seen(all, (i) => R.columns.shares[i][1], (i) => R.columns.formation[i]);
    const stable = hull.phases.filter((phase) => phase.stable);
    const others = hull.phases.filter((phase) => !phase.stable);
    const phases = (list, more) => ({
      x: list.map((p) => p.shares[1]), y: list.map((p) => p.formation), text: list.map(phaseText),
      hovertemplate: "%{text}<extra></extra>", ...more,
    });
    const line = (points, more) => ({ x: points.map((p) => p[0]), y: points.map((p) => p[1]), mode: "lines", hoverinfo: "skip", ...more });
    const straight = hull.line.length ? hull.line : stable.map((p) => [p.shares[1], p.formation]);
    const labels = stable.map((phase, k) => (stable.findIndex((p) => p.formula === phase.formula) === k ? R.plainFormula(phase.formula) : ""));
    const traces = [
      line(straight, { name: "hull of the references", line: { color: R.colours[0], width: 2 } }),
      phases(others, { name: "other references", mode: "markers", marker: { symbol: "x-thin", size: 6, color: "#8796a5", line: { width: 1.3, color: "#8796a5" } } }),
      { x: some.map((i) => R.columns.shares[i][1]), y: some.map((i) => R.columns.formation[i]), text: some.map(R.hover), customdata: some,
        mode: "markers", name: "found", hovertemplate: "%{text}<extra></extra>", marker: { color: R.colours[1], size: 7, symbol: "diamond-open", line: { width: 1.4 } } },
      phases(stable, { name: "stable references", mode: "markers", marker: { symbol: "square", size: 8, color: R.colours[0] } }),
    ];
    if (hull.grown.length) {
      traces.splice(1, 0, line(hull.grown, { name: "with what was found", line: { color: R.colours[2], width: 1.8, dash: "dash" } }));
    }
    const energies = all.map((i) => R.columns.formation[i]);
    const floor = Math.min(...straight.map((p) => p[1]), 0);
    const range = R.energyRange([...energies, 0], floor) ?? [floor - 0.1, 0.1];
    range[1] = Math.max(range[1], 0.04);
    const room = range[1] - range[0];
    const annotations = binaryNames(stable, labels, room);
    return [traces, R.layout({
      uirevision: "hull", annotations,
      legend: { orientation: "h", y: 1.07, yanchor: "bottom", x: 0, font: { size: 11 } },
      xaxis: { title: { text: `share of the atoms in ${R.plainFormula(hull.members[1])}, of ${R.plain(hull.members.join("-"))}` }, range: [-0.04, 1.04] },
      yaxis: { title: { text: `formation ${R.data.symbol === "H" ? "enthalpy" : "energy"} (eV/atom)` }, range: [range[0] - 0.07 * room, range[1]] },
    }), (i) => [R.columns.shares[i]?.[1], R.columns.formation[i]]];
  };

  // Of each composition the lowest, which would hide the others; the lowest of all on top.
  const lowest = (all) => {
    const best = new Map();
    for (const i of all) {
      const key = R.columns.reduced[i];
      if (!best.has(key) || R.energy(i) < R.energy(best.get(key))) best.set(key, i);
    }
    return [...best.values()].sort((a, b) => R.energy(b) - R.energy(a));
  };
  const coloured = (some, more) => ({
    color: some.map(R.energy), colorscale: SCALE, cmin: 0, cmax: WIDEST, ...more,
    colorbar: { title: { text: R.energyName, side: "right" }, thickness: 12, len: 0.75, outlinewidth: 0 },
  });
  const path = (corners, axes) => {
    const trace = Object.fromEntries(axes.map((axis) => [axis, []]));
    for (const edge of corners) {
      for (const point of edge) axes.forEach((axis, k) => trace[axis].push(point[k]));
      axes.forEach((axis) => trace[axis].push(null));
    }
    return trace;
  };
  const outline = (corners) => {
    const edges = [];
    corners.forEach((one, k) => corners.slice(k + 1).forEach((other) => edges.push([one, other])));
    return edges;
  };

  // Names of the phases in a triangle: outside its edges, and none over another.
  const phaseNames = (stable, corners) => {
    const placed = [];
    for (const phase of stable) {
      const [first, second, third] = phase.shares;
      if (phase.shares.filter((share) => share > 0).length < 2) continue; // a corner, which has a name
      const [x, y] = mix(phase.shares, corners);
      const side = third === 0 ? "below" : first === 0 ? "right" : second === 0 ? "left" : "above";
      const shift = { below: [0, -14], right: [8, 0], left: [-8, 0], above: [0, 14] }[side];
      const anchor = { right: "left", left: "right" }[side] ?? "center";
      const width = 0.017 * phase.formula.length + 0.02;
      const left = x + shift[0] / 350 - { left: 0, right: width, center: width / 2 }[anchor];
      const box = { left, right: left + width, y: y + shift[1] / 350 };
      if (placed.some((one) => box.left < one.right && one.left < box.right && Math.abs(box.y - one.y) < 0.045)) continue;
      placed.push(box);
      box.label = { x, y, text: R.plainFormula(phase.formula), showarrow: false, xanchor: anchor, xshift: shift[0], yshift: shift[1], font: { size: 11 },
        ...(side === "above" ? { bgcolor: "rgba(255, 255, 255, 0.8)", borderpad: 0 } : {}) };
    }
    return placed.map((one) => one.label);
  };

  const simplex = (n) => {
    const corners = CORNERS[n];
    const axes = ["x", "y", "z"].slice(0, n - 1);
    const type = n === 4 ? "scatter3d" : "scatter";
    const all = onHull();
    const some = lowest(all);
    const at = (list) => Object.fromEntries(axes.map((axis, k) => [axis, list.map((shares) => mix(shares, corners)[k])]));
    const stable = hull.phases.filter((phase) => phase.stable);
    const tieLines = hull.edges.map((edge) => edge.map((shares) => mix(shares, corners)));
    const thin = n === 4 ? { color: "#b9c6d3", width: 1.5 } : { color: R.colours[0], width: 1 };
    const traces = [
      { type, ...path(outline(corners), axes), mode: "lines", line: { color: "#8796a5", width: n === 4 ? 3 : 1.2 }, hoverinfo: "skip", showlegend: false },
      { type, ...path(tieLines, axes), mode: "lines", line: thin, hoverinfo: "skip", name: "edges of the hull" },
      { type, ...at(stable.map((p) => p.shares)), mode: "markers", name: "stable references", hovertext: stable.map(phaseText),
        hovertemplate: "%{hovertext}<extra></extra>", marker: { symbol: "square", size: n === 4 ? 4 : 8, color: R.colours[0] } },
      { type, ...at(some.map((i) => R.columns.shares[i])), mode: "markers", name: "found", customdata: some, hovertext: some.map(R.hover), hovertemplate: "%{hovertext}<extra></extra>",
        marker: coloured(some, { size: n === 4 ? 5 : 10, symbol: n === 4 ? "diamond" : "diamond", line: { color: "#fff", width: 1 } }) },
    ];
    const where = (i) => (R.columns.shares[i] && R.hasEnergy(i) ? mix(R.columns.shares[i], corners) : [null]);
    const names = hull.members.map(R.plainFormula);
    if (n === 3) {
      const annotations = corners.map(([x, y], k) => ({ x, y, text: `<b>${names[k]}</b>`, showarrow: false, font: { size: 14 },
        xanchor: ["right", "left", "center"][k], yanchor: k === 2 ? "bottom" : "middle", xshift: [-14, 14, 0][k], yshift: k === 2 ? 20 : 0 }));
      annotations.push(...phaseNames(stable, corners));
      const bare = { visible: false, showgrid: false };
      return [traces, R.layout({ uirevision: "hull", annotations, margin: { l: 10, r: 10, t: 10, b: 10 },
        legend: { x: 0, y: 1, font: { size: 11 } },
        xaxis: { ...bare, range: [-0.12, 1.12] }, yaxis: { ...bare, range: [-0.08, 1.0], scaleanchor: "x" } }), where];
    }
    const bare = { visible: false, showspikes: false };
    const corner = at(CORNERS[4].map((_, k) => CORNERS[4].map((__, j) => Number(j === k))));
    traces.push({ type, ...corner, mode: "text", text: names.map((name) => `<b>${name}</b>`), textfont: { size: 16 }, hoverinfo: "skip", showlegend: false });
    return [traces, R.layout({ margin: { l: 0, r: 0, t: 0, b: 0 }, legend: { x: 0, y: 1, font: { size: 11 } },
      scene: { uirevision: "hull", xaxis: bare, yaxis: bare, zaxis: bare, aspectmode: "data", camera: { eye: { x: 0.4, y: -1.75, z: 0.55 } } } }), where,
      { type, marker: { size: 11, symbol: "circle-open", color: "#000" } }];
  };

  R.drawHull = () => {
    if (!hull) return;
    R.get("hull-card").hidden = false;
    const n = hull.members.length;
    R.get("hull-hint").textContent = n === 2
      ? "A click on a point shows its structure. Energies by " + hull.model + "; all references are in the decomposition energy."
      : "Colours are the decomposition energy of the lowest structure of each composition; a click on a point shows its structure. References of " + hull.model + ".";
    try {
      R.plot("hull-plot", ...(n === 2 ? binary() : simplex(n)));
    } catch (error) {
      if (n !== 4) throw error;
      R.get("hull-plot").textContent = "This browser draws nothing in three dimensions: WebGL is off.";
    }
  };
})(window.gencspReport);
