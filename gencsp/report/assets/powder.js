// Simulated X-ray powder patterns, as pymatgen's XRDCalculator: kinematic intensities, scattering
// factors f(s) = Z - 41.78214 s² Σ aₖ exp(-bₖ s²) with s = sin θ/λ, Lorentz and polarisation factor.
"use strict";
(function (R) {
  R.radiations = { "Cu Kα": 1.54184, "Mo Kα": 0.71073, "Co Kα": 1.79026, "Ag Kα": 0.560885 };
  const TOLERANCE = 1e-4; // degrees: peaks nearer than this are one
  const WEAKEST = 1e-3; // of the strongest peak's 100
  const WIDTH = 0.2; // degrees, of the peaks of the curve at half their height

  // Peaks up to 2θ = last: angle (degrees), intensity (the strongest has 100), indices hkl.
  R.peaks = (cell, wavelength, last = 90) => {
    const reciprocal = R.inverse(cell.lattice); // its columns are the reciprocal vectors, 1/Å
    const longest = (2 * Math.sin((last * Math.PI) / 360)) / wavelength;
    const most = cell.lattice.map((v) => Math.floor(longest * R.norm(v) + 1e-9));
    const groups = new Map();
    for (const atom of cell.atoms) {
      if (!groups.has(atom.symbol)) groups.set(atom.symbol, []);
      groups.get(atom.symbol).push(atom.place);
    }
    for (const symbol of groups.keys()) if (!R.data.elements[symbol].scattering) return null;
    const found = [];
    for (let h = 0; h <= most[0]; h += 1) for (let k = -most[1]; k <= most[1]; k += 1) {
      for (let l = -most[2]; l <= most[2]; l += 1) {
        // Of h and -h, whose intensities are the same, one.
        if (!(h > 0 || k > 0 || (k === 0 && l > 0))) continue;
        const g = R.norm(reciprocal.map((row) => row[0] * h + row[1] * k + row[2] * l));
        if (g > longest) continue;
        const strength = intensity(groups, [h, k, l], g, wavelength);
        const angle = (360 / Math.PI) * Math.asin(Math.min(1, (wavelength * g) / 2));
        found.push({ angle, intensity: strength, hkl: [h, k, l] });
      }
    }
    const peaks = [];
    for (const one of found.sort((a, b) => a.angle - b.angle)) {
      const before = peaks.at(-1);
      if (before && one.angle - before.angle < TOLERANCE) before.intensity += one.intensity;
      else peaks.push(one);
    }
    const highest = peaks.reduce((most, peak) => Math.max(most, peak.intensity), 0);
    return peaks
      .map((peak) => ({ ...peak, intensity: (100 * peak.intensity) / highest }))
      .filter((peak) => peak.intensity > WEAKEST);
  };

  const intensity = (groups, hkl, g, wavelength) => {
    const s2 = (g / 2) ** 2;
    let [real, imaginary] = [0, 0];
    for (const [symbol, places] of groups) {
      const { number, scattering } = R.data.elements[symbol];
      const sum = scattering.reduce((total, [a, b]) => total + a * Math.exp(-b * s2), 0);
      const factor = number - 41.78214 * s2 * sum;
      for (const place of places) {
        const phase = 2 * Math.PI * R.dot(hkl, place);
        real += factor * Math.cos(phase);
        imaginary += factor * Math.sin(phase);
      }
    }
    const theta = Math.asin(Math.min(1, (wavelength * g) / 2));
    const lorentz = (1 + Math.cos(2 * theta) ** 2) / (Math.sin(theta) ** 2 * Math.cos(theta));
    return 2 * (real ** 2 + imaginary ** 2) * lorentz;
  };

  // The measured pattern is over angles at its own wavelength, and drawn at that alone.
  const measured = R.data.pattern;
  const HINT = "Kinematic intensities with Lorentz and polarisation factors, no thermal motion; ";
  if (measured) R.radiations = { "as measured": measured.wavelength, ...R.radiations };
  R.isMeasured = (wavelength) => Boolean(measured) && Math.abs(wavelength - measured.wavelength) < 1e-9;

  // A cell whose lattice is deformed by 1 + strain: xx, yy, zz, yz, xz, xy.
  R.strained = (cell, [xx, yy, zz, yz, xz, xy]) => {
    const whole = [[1 + xx, xy, xz], [xy, 1 + yy, yz], [xz, yz, 1 + zz]];
    return { ...cell, lattice: cell.lattice.map((vector) => R.times(vector, whole)) };
  };

  const curve = (peaks, last, width) => {
    const sigma = width / 2.3548;
    const step = Math.min(0.02, width / 8);
    const y = new Float64Array(Math.round(last / step) + 1);
    for (const { angle, intensity: height } of peaks) {
      const first = Math.max(0, Math.floor((angle - 5 * sigma) / step));
      const end = Math.min(y.length - 1, Math.ceil((angle + 5 * sigma) / step));
      for (let k = first; k <= end; k += 1) {
        y[k] += height * Math.exp(-((k * step - angle) ** 2) / (2 * sigma ** 2));
      }
    }
    const top = y.reduce((most, value) => Math.max(most, value), 1e-9);
    return { x: Array.from(y, (_, k) => k * step), y: Array.from(y, (v) => (100 * v) / top) };
  };

  // Downwards where a measured pattern stands above.
  R.drawPowder = (cell, wavelength) => {
    const beside = R.isMeasured(wavelength);
    const [from, last] = beside ? [measured.angles[0], Math.min(measured.angles[1], 175)] : [null, 90];
    const width = beside ? measured.width : WIDTH;
    const sign = beside ? -1 : 1;
    R.get("powder-hint").textContent = `${HINT}the curve has Gaussian peaks ${Number(width.toPrecision(2))}° wide.` +
      (beside ? " Above: as measured, without background." : measured ? ` The measured pattern is drawn at its own ${measured.wavelength} Å.` : "");
    const peaks = cell.lattice ? R.peaks(cell, wavelength, last) : null;
    const plot = R.get("powder-plot");
    if (!peaks) {
      Plotly.purge(plot);
      plot.textContent = "No pattern: it is no crystal, or an element has no scattering factor.";
      return;
    }
    if (!plot.classList.contains("js-plotly-plot")) plot.textContent = "";
    const sticks = { x: [], y: [] };
    for (const { angle, intensity: y } of peaks) {
      sticks.x.push(angle, angle, null);
      sticks.y.push(0, sign * y, null);
    }
    const labels = peaks.map((p) =>
      `${p.hkl.join(" ")}<br>2θ ${p.angle.toFixed(3)}°<br>intensity ${p.intensity.toFixed(1)}`);
    const own = curve(peaks, last, width);
    const traces = [
      { x: own.x, y: own.y.map((y) => sign * y), mode: "lines", line: { color: "#9fb3c4", width: 1.2 }, hoverinfo: "skip" },
      { ...sticks, mode: "lines", line: { color: R.colours[0], width: 1.2 }, hoverinfo: "skip" },
      {
        x: peaks.map((p) => p.angle), y: peaks.map((p) => sign * p.intensity), text: labels, mode: "markers",
        marker: { color: R.colours[0], size: 7, opacity: 0 }, hovertemplate: "%{text}<extra></extra>",
      },
    ];
    if (beside) {
      const step = (measured.angles[1] - measured.angles[0]) / (measured.y.length - 1);
      traces.push({ x: measured.y.map((_, k) => from + k * step), y: measured.y, mode: "lines", line: { color: "#1c2733", width: 1 }, hoverinfo: "skip" });
    }
    const name = (y, text) => ({ xref: "paper", yref: "paper", x: 0.99, y, text, showarrow: false, xanchor: "right", font: { size: 12 } });
    Plotly.react(plot, traces, R.layout({
      showlegend: false, annotations: beside ? [name(0.98, "measured"), name(0.02, "computed")] : [],
      xaxis: { title: { text: "2θ (degrees)" }, range: [from ?? Math.max(0, (peaks[0]?.angle ?? 5) - 5), last] },
      yaxis: { title: { text: "intensity" }, range: beside ? [-108, 108] : [0, 108], ...(beside ? { showticklabels: false } : {}) },
    }), R.plotOptions);
  };
})(window.gencspReport);
