// Crystals in three dimensions, by 3Dmol.js.
"use strict";
(function (R) {
  const MOST = 2500; // atoms: more are slow to draw

  R.elementColour = (symbol) => {
    const colour = $3Dmol.elementColors.Jmol[symbol] ?? 0x909090;
    return `#${colour.toString(16).padStart(6, "0")}`;
  };

  const line = (viewer, start, end) => {
    const at = ([x, y, z]) => ({ x, y, z });
    viewer.addCylinder({ start: at(start), end: at(end), radius: 0.03, color: "#5b6b7b", fromCap: 1, toCap: 1 });
  };

  const outline = (viewer, lattice) => {
    const corner = (k) => R.times([k & 1, (k >> 1) & 1, (k >> 2) & 1], lattice);
    for (let k = 0; k < 8; k += 1) for (const bit of [1, 2, 4]) if (!(k & bit)) line(viewer, corner(k), corner(k | bit));
  };

  const drawPolyhedra = (viewer, cell, atoms) => {
    const extra = [];
    for (const { symbol, points, faces, anions } of R.polyhedra(cell, atoms)) {
      extra.push(...anions);
      const vertexArr = [];
      const normalArr = [];
      const faceArr = [];
      for (const face of faces) {
        const [a, b, c] = face.map((k) => points[k]);
        const normal = R.cross(R.minus(b, a), R.minus(c, a));
        for (const p of [a, b, c]) {
          faceArr.push(vertexArr.length);
          vertexArr.push({ x: p[0], y: p[1], z: p[2] });
          const length = R.norm(normal);
          normalArr.push({ x: normal[0] / length, y: normal[1] / length, z: normal[2] / length });
        }
      }
      if (faceArr.length) viewer.addCustom({ vertexArr, normalArr, faceArr, color: R.elementColour(symbol), opacity: 0.55 });
    }
    return extra;
  };

  // Show a cell in a viewer: {n, bonds, polyhedra}.
  R.showCell = (viewer, cell, { n = 1, bonds = true, polyhedra = false } = {}) => {
    viewer.removeAllModels();
    viewer.removeAllShapes();
    let atoms = R.block(cell, n);
    if (polyhedra && atoms.length <= MOST) {
      const known = new Set(atoms.map((one) => one.at.map((x) => x.toFixed(2)).join()));
      for (const one of drawPolyhedra(viewer, cell, atoms)) {
        const key = one.at.map((x) => x.toFixed(2)).join();
        if (!known.has(key)) atoms.push(one);
        known.add(key);
      }
    }
    const partners = atoms.map(() => []);
    if (bonds && atoms.length <= MOST) {
      for (const [a, b] of R.bonds(atoms)) {
        partners[a].push(b);
        partners[b].push(a);
      }
    }
    const model = viewer.addModel();
    model.addAtoms(atoms.map(({ symbol, at }, k) => ({
      elem: symbol, x: at[0], y: at[1], z: at[2], serial: k, bonds: partners[k], bondOrder: partners[k].map(() => 1), properties: {},
    })));
    const style = { sphere: { scale: 0.3, colorscheme: "Jmol" } };
    if (bonds) style.stick = { radius: 0.11, colorscheme: "Jmol" };
    viewer.setStyle({}, style);
    if (cell.lattice) outline(viewer, cell.lattice);
    viewer.setView([0, 0, 0, 0, 0, 0, 0, 1]);
    viewer.rotate(-75, "x");
    viewer.rotate(-18, "y");
    viewer.zoomTo();
    viewer.zoom(0.93); // spheres are larger than their centres, by which it zooms
    viewer.render();
  };

  // A viewer in an element; null, and a sentence there, where the browser has no WebGL.
  R.newViewer = (place) => {
    try {
      const made = $3Dmol.createViewer(place, { backgroundColor: "white", antialias: true, disableFog: true });
      if (made) return made;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
    }
    place.classList.add("without");
    place.dataset.reason = "This browser draws nothing in three dimensions: WebGL is off.";
    return null;
  };
})(window.gencspReport);
