// One crystal and nothing else.
"use strict";
(function (R) {
  let [viewer, cells] = [undefined, {}];

  const showFacts = () => {
    const c = R.columns;
    // Of a decomposition energy what tables show, which may be words.
    const ev = (text) => (/^[-\d]/.test(text) ? `${text} eV/atom` : text);
    const energy = c.above[0] !== null
      ? `${R.data.symbol}_d ${ev(c.shown[0])}`
      : c.energy[0] !== null && `${R.data.symbol} ${ev(c.energy[0].toFixed(4))}`;
    const facts = R.get("facts");
    facts.append(R.formula(c.formula[0]));
    const others = [
      c.group[0],
      energy,
      c.volume[0] === null ? null : `${c.volume[0].toFixed(2)} Å³/atom`,
      c.id[0],
    ];
    facts.append(["", ...others.filter(Boolean)].join(" · "));
  };

  const showLegend = (cell) => {
    R.get("legend").replaceChildren(...[...new Set(cell.atoms.map((atom) => atom.symbol))].sort().map((symbol) => {
      const item = R.element("span");
      const dot = R.element("i");
      dot.style.background = R.elementColour(symbol);
      item.append(dot, symbol);
      return item;
    }));
  };

  const draw = () => {
    const cell = cells[R.get("cell").value];
    showLegend(cell);
    if (viewer === undefined) viewer = R.newViewer(R.get("viewer"));
    if (!viewer) return;
    R.showCell(viewer, cell, {
      n: Number(R.get("repeats").value), bonds: R.get("bonds").checked, polyhedra: R.get("polyhedra").checked,
    });
  };

  const start = async () => {
    showFacts();
    cells = await R.cellsOf(0);
    R.get("cell").append(...Object.keys(cells).map((name) => R.element("option", name, { value: name })));
    for (const id of ["cell", "repeats", "bonds", "polyhedra"]) R.get(id).onchange = draw;
    draw();
    // Asked for by tests, which look at what has been drawn.
    R.draw = draw;
    R.ready = true;
  };
  start();
})(window.gencspReport);
