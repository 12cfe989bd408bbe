// Files of the structure that is shown: CIF in P1, POSCAR, extxyz; made in the page, of its numbers.
"use strict";
(function (R) {
  const degrees = (a, b) => (180 / Math.PI) * Math.acos(Math.max(-1, Math.min(1, R.dot(a, b) / (R.norm(a) * R.norm(b)))));
  const fixed = (values, digits) => values.map((x) => x.toFixed(digits)).join(" ");
  const oneLine = (text) => String(text).replace(/[\p{C}\p{Z}]+/gu, " ").trim();
  const quoted = (text) => `"${oneLine(text).replace(/["\\]/g, "_")}"`;

  R.fileName = (i, end) => {
    const id = R.columns.id[i].replace(/[^\w.+()-]/g, "_").replace(/^\.+/, "").slice(0, 80);
    return `${R.columns.reduced[i]}-${id || i}.${end}`;
  };

  R.asCif = (i, cell) => {
    const [a, b, c] = cell.lattice;
    const count = {};
    const rows = cell.atoms.map(({ symbol, place }) => {
      count[symbol] = (count[symbol] ?? 0) + 1;
      return `${symbol}${count[symbol]} ${symbol} ${fixed(place, 6)} 1.0`;
    });
    return [
      `# structure_id = ${oneLine(R.columns.id[i])}`,
      `data_${R.columns.reduced[i]}`,
      `_cell_length_a ${R.norm(a).toFixed(5)}`,
      `_cell_length_b ${R.norm(b).toFixed(5)}`,
      `_cell_length_c ${R.norm(c).toFixed(5)}`,
      `_cell_angle_alpha ${degrees(b, c).toFixed(5)}`,
      `_cell_angle_beta ${degrees(a, c).toFixed(5)}`,
      `_cell_angle_gamma ${degrees(a, b).toFixed(5)}`,
      "_symmetry_space_group_name_H-M 'P 1'",
      "_symmetry_Int_Tables_number 1",
      "loop_", "_symmetry_equiv_pos_as_xyz", "'x, y, z'",
      "loop_", "_atom_site_label", "_atom_site_type_symbol", "_atom_site_fract_x", "_atom_site_fract_y",
      "_atom_site_fract_z", "_atom_site_occupancy",
      ...rows, "",
    ].join("\n");
  };

  R.asPoscar = (i, cell) => {
    const symbols = [...new Set(cell.atoms.map((atom) => atom.symbol))];
    const groups = symbols.map((symbol) => cell.atoms.filter((atom) => atom.symbol === symbol));
    return [
      `${R.columns.reduced[i]} ${oneLine(R.columns.id[i])}`,
      "1.0",
      ...cell.lattice.map((v) => fixed(v, 6)),
      symbols.join(" "),
      groups.map((group) => group.length).join(" "),
      "Direct",
      ...groups.flat().map((atom) => fixed(atom.place, 6)), "",
    ].join("\n");
  };

  R.asExtxyz = (i, cell) => {
    const facts = [["structure_id", quoted(R.columns.id[i])], ["stage", R.columns.stage[i] && quoted(R.columns.stage[i])],
      ["space_group", R.columns.group[i] && quoted(R.columns.group[i])],
      [R.data.symbol === "H" ? "enthalpy_per_atom" : "energy_per_atom", R.columns.energy[i]],
      [R.data.symbol === "H" ? "decomposition_enthalpy" : "decomposition_energy", R.columns.above[i]]];
    const said = facts.filter(([, value]) => value !== null && value !== "").map(([key, value]) => `${key}=${value}`);
    const lattice = cell.lattice ? [`Lattice="${fixed(cell.lattice.flat(), 6)}"`, 'pbc="T T T"'] : ['pbc="F F F"'];
    const rows = cell.atoms.map((atom) => `${atom.symbol} ${fixed(R.cartesian(cell, atom.place), 6)}`);
    return [cell.atoms.length, [...lattice, "Properties=species:S:1:pos:R:3", ...said].join(" "), ...rows, ""].join("\n");
  };

  R.download = (name, text) => {
    const url = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
    const link = R.element("a", null, { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };
})(window.gencspReport);
