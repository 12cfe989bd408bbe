// What the page is of, and the few helpers that all other scripts use. Texts of others become text
// of the page through `element` alone, which never reads them as markup.
"use strict";
(function (R) {
  R.data = JSON.parse(document.getElementById("data").textContent);
  R.columns = R.data.columns;
  R.count = R.columns.id.length;
  R.all = Array.from({ length: R.count }, (_, i) => i);
  R.at = new Map(R.columns.id.map((id, i) => [id, i]));

  // Colours of Okabe and Ito, which people with any colour vision tell apart.
  R.colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"];

  R.get = (id) => document.getElementById(id);

  R.element = (tag, text, options = {}) => {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = String(text);
    return Object.assign(made, options);
  };

  // A formula with its numbers set low.
  R.formula = (text, into = document.createElement("span")) => {
    for (const part of String(text).split(/(\d+)/)) {
      if (part) into.append(/^\d+$/.test(part) ? R.element("sub", part) : part);
    }
    return into;
  };

  // Text for Plotly, whose labels know a few tags.
  R.plain = (text) =>
    String(text).replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]);
  R.plainFormula = (text) => R.plain(text).replace(/\d+/g, "<sub>$&</sub>");

  R.energy = (i) => R.columns.above[i] ?? R.columns.energy[i];
  R.trialName = { search: "trial", pool: "place in the pool" }[R.data.kind] ?? "generated structure";
  R.hasEnergy = (i) => R.columns.energy[i] !== null && !R.columns.failure[i];
  R.anyAbove = R.columns.above.some((value) => value !== null);
  R.energyName = R.anyAbove
    ? `${R.data.symbol}<sub>d</sub> (eV/atom)`
    : `${R.data.symbol} (eV/atom)`;

  // The most frequent origins have a colour each; all others share the last one.
  R.originNames = R.data.origins.map((one) => one.origin);
  R.originPlace = (origin) => {
    const place = R.originNames.indexOf(origin || "unknown");
    return place < 0 ? R.colours.length - 1 : Math.min(place, R.colours.length - 1);
  };

  let crystals = null;
  // The crystals are unpacked when the first is looked at.
  R.crystals = async () => {
    if (crystals === null) {
      const packed = atob(R.get("crystals").textContent.trim());
      const bytes = new Uint8Array(packed.length);
      for (let k = 0; k < packed.length; k += 1) bytes[k] = packed.charCodeAt(k);
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      crystals = new Response(stream).json();
    }
    return crystals;
  };
})((window.gencspReport = {}));
