// The structure that is chosen: facts, crystal, the path it came by, its powder pattern, its files.
"use strict";
(function (R) {
  const LONGEST = 6; // structures of a path that are drawn
  let [viewer, cells, tab, path] = [undefined, {}, "crystal", []];
  R.selected = null;

  const ev = (value) => (value === null ? null : `${value.toFixed(4)} eV/atom`);
  const fact = (list, name, value) => {
    if (value === null || value === undefined || value === "") return;
    const shown = R.element("dd");
    shown.append(value);
    list.append(R.element("dt", name), shown);
  };
  const link = (id) => {
    const i = R.at.get(id);
    if (i === undefined) return document.createTextNode(id);
    return R.element("button", id, { type: "button", onclick: () => R.select(i) });
  };

  const showFacts = (i) => {
    const c = R.columns;
    const title = R.get("structure-title");
    title.textContent = "";
    R.formula(c.formula[i], title);
    title.append(` ${c.group[i]}`);
    const list = R.get("structure-facts");
    list.textContent = "";
    fact(list, "id", c.id[i]);
    const above = c.above[i] === null ? null : c.shown[i] === c.above[i].toFixed(4) ? ev(c.above[i]) : `${c.shown[i]} (${ev(c.above[i])})`;
    fact(list, R.data.symbol === "H" ? "decomposition enthalpy" : "decomposition energy", above);
    fact(list, R.data.symbol === "H" ? "enthalpy" : "energy", ev(c.energy[i]));
    fact(list, "decomposes into", c.decomposition[i]);
    fact(list, "reference of its formula", c.reference[i]);
    fact(list, "like the measured pattern", c.similarity[i] === null ? null : c.similarity[i].toFixed(3));
    fact(list, "volume", c.volume[i] === null ? null : `${c.volume[i].toFixed(3)} Å³/atom, ${c.atoms[i]} atoms`);
    fact(list, "made by", [...new Set([c.origin[i], c.proposer[i]])].filter(Boolean).join(", structure of "));
    fact(list, "stage", c.stage[i]);
    fact(list, "no result", c.failure[i]);
    fact(list, "fell at filter", c.fell[i]);
    if (c.duplicate[i]) fact(list, "same crystal as", link(c.duplicate[i]));
  };

  const showLegend = (cell) => {
    const legend = R.get("legend");
    legend.textContent = "";
    for (const symbol of [...new Set(cell.atoms.map((atom) => atom.symbol))].sort()) {
      const item = R.element("span");
      const dot = R.element("i");
      dot.style.background = R.elementColour(symbol);
      item.append(dot, `${symbol} × ${cell.atoms.filter((atom) => atom.symbol === symbol).length}`);
      legend.append(item);
    }
  };

  const cell = () => cells[R.get("cell").value];

  const showCrystal = () => {
    if (!cell()) return;
    showLegend(cell());
    if (viewer === undefined) viewer = R.newViewer(R.get("viewer"));
    if (!viewer) return;
    R.showCell(viewer, cell(), { n: Number(R.get("repeats").value), bonds: R.get("bonds").checked, polyhedra: R.get("polyhedra").checked });
  };

  // A structure and what it was made from, the earliest first; each of them once.
  R.pathOf = (i) => {
    const found = [];
    const add = (one) => {
      if (found.includes(one) || found.length >= 12) return;
      found.push(one);
      for (const parent of R.columns.parents[one]) if (R.at.has(parent)) add(R.at.get(parent));
    };
    add(i);
    return found.reverse();
  };

  const showPath = async (i) => {
    for (const one of path) one.clear?.();
    const place = R.get("path");
    place.textContent = "";
    path = [];
    const steps = R.pathOf(i).slice(-LONGEST);
    for (const one of steps) {
      const c = R.columns;
      const step = R.element("div", null, { className: one === i ? "step chosen" : "step" });
      const head = R.element("p");
      head.append(R.element("b", c.stage[one] || "structure"), " ", link(c.id[one]));
      const view = R.element("div", null, { className: "view" });
      const said = [c.group[one], c.above[one] !== null ? `${R.data.symbol}_d ${ev(c.above[one])}` : ev(c.energy[one]),
        c.volume[one] === null ? null : `${c.volume[one].toFixed(2)} Å³/atom`, c.origin[one]];
      step.append(head, view, R.element("p", said.filter(Boolean).join(" · ")));
      place.append(step);
      const own = await R.cellsOf(one);
      if (R.selected !== i || tab !== "path") return;
      const made = R.newViewer(view);
      if (made) {
        R.showCell(made, own["as computed"]);
        path.push(made);
      }
    }
    const missing = R.columns.parents[i].filter((id) => !R.at.has(id));
    if (missing.length) place.append(R.element("p", `Made from ${missing.join(", ")}, which is not in this report.`, { className: "hint" }));
  };

  // The strain is that of the cell as it was computed; other cells may lie otherwise in space.
  const showPowder = () => {
    if (!cell()) return;
    const wavelength = Number(R.get("wavelength").value) || 1.54184;
    const strain = R.columns.strain[R.selected];
    const given = cells["as computed"];
    const can = R.isMeasured(wavelength) && strain && given.lattice;
    R.get("strained-label").hidden = !can;
    R.drawPowder(can && R.get("strained").checked ? R.strained(given, strain) : cell(), wavelength);
  };

  const showTab = () => {
    for (const name of ["crystal", "path", "powder"]) R.get(`tab-${name}`).hidden = name !== tab;
    for (const button of document.querySelectorAll("#tabs button")) button.classList.toggle("chosen", button.dataset.tab === tab);
    if (R.selected === null) return undefined;
    if (tab === "crystal") return showCrystal();
    return tab === "path" ? showPath(R.selected) : showPowder();
  };

  // Choose a structure, wherever it was clicked.
  R.select = async (i) => {
    R.selected = i;
    R.remember(R.columns.id[i]);
    showFacts(i);
    R.markRow?.(i);
    R.markPoint();
    const own = await R.cellsOf(i);
    if (R.selected !== i) return;
    cells = own;
    const choice = R.get("cell");
    const before = choice.value;
    choice.replaceChildren(...Object.keys(cells).map((name) => R.element("option", name, { value: name })));
    choice.value = cells[before] ? before : "as computed";
    for (const id of ["cif", "poscar"]) R.get(id).disabled = !cell().lattice;
    await showTab();
  };

  R.startStructure = () => {
    const radiation = R.get("radiation");
    for (const [name, wavelength] of Object.entries(R.radiations)) radiation.append(R.element("option", name, { value: String(wavelength) }));
    R.get("wavelength").value = radiation.value;
    radiation.onchange = () => {
      R.get("wavelength").value = radiation.value;
      showPowder();
    };
    R.get("wavelength").onchange = showPowder;
    R.get("strained").onchange = showPowder;
    for (const id of ["cell", "repeats", "bonds", "polyhedra"]) R.get(id).onchange = showCrystal;
    for (const button of document.querySelectorAll("#tabs button")) {
      button.onclick = () => {
        tab = button.dataset.tab;
        showTab();
      };
    }
    const save = (id, end, make) => {
      R.get(id).onclick = () => R.selected !== null && R.download(R.fileName(R.selected, end), make(R.selected, cell()));
    };
    save("cif", "cif", R.asCif);
    save("poscar", "vasp", R.asPoscar);
    save("extxyz", "extxyz", R.asExtxyz);
    R.get("all-extxyz").onclick = async () => {
      const texts = [];
      for (const i of R.shown) texts.push(R.asExtxyz(i, (await R.cellsOf(i))["as computed"]));
      R.download("structures.extxyz", texts.join(""));
    };
  };
})(window.gencspReport);
