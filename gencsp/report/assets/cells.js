// Cells of crystals: as given, conventional, primitive; their atoms, bonds and polyhedra.
"use strict";
(function (R) {
  const STEPS = 1e6;

  // Vectors of primitive cells in the conventional one, by the centring that a space group's symbol
  // begins with, in spglib's setting (A, C and R in the standard one, obverse).
  const CENTRINGS = {
    A: [[1, 0, 0], [0, 0.5, -0.5], [0, 0.5, 0.5]],
    C: [[0.5, 0.5, 0], [-0.5, 0.5, 0], [0, 0, 1]],
    I: [[-0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, -0.5]],
    F: [[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]],
    R: [[2 / 3, 1 / 3, 1 / 3], [-1 / 3, 1 / 3, 1 / 3], [-1 / 3, -2 / 3, 1 / 3]],
  };

  const times = (v, m) => [0, 1, 2].map((k) => v[0] * m[0][k] + v[1] * m[1][k] + v[2] * m[2][k]);
  const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
  const plus = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
  const cross = (a, b) => [
    a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0],
  ];
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  const norm = (a) => Math.sqrt(dot(a, a));
  const wrap = (x) => x - Math.floor(x + 1e-7);
  const inverse = (m) => {
    const volume = dot(m[0], cross(m[1], m[2]));
    const columns = [cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1])];
    return [0, 1, 2].map((r) => [0, 1, 2].map((c) => columns[c][r] / volume));
  };
  Object.assign(R, { times, minus, plus, cross, dot, norm, inverse });

  const unpack = (packed, symbols) => {
    if (!packed) return null;
    const scale = packed.l ? STEPS : 1;
    const atoms = packed.e.map((e, k) => ({
      symbol: symbols[e],
      place: [0, 1, 2].map((j) => packed.x[3 * k + j] / scale),
    }));
    const lattice = packed.l && [0, 3, 6].map((k) => packed.l.slice(k, k + 3));
    return { lattice, atoms };
  };

  // The cell that a centred conventional one is made of.
  const primitive = (cell, group) => {
    const centring = CENTRINGS[group.trim()[0]];
    if (!centring) return cell;
    const lattice = centring.map((row) => times(row, cell.lattice));
    const back = inverse(centring);
    const atoms = [];
    for (const atom of cell.atoms) {
      const place = times(atom.place, back).map(wrap);
      const known = atoms.some((one) =>
        one.symbol === atom.symbol &&
        minus(one.place, place).every((d) => Math.abs(d - Math.round(d)) < 1e-3));
      if (!known) atoms.push({ symbol: atom.symbol, place });
    }
    return { lattice, atoms };
  };

  // All cells in which a structure can be shown, by their names.
  R.cellsOf = async (i) => {
    const all = await R.crystals();
    const given = unpack(all.given[i], all.symbols);
    const conventional = unpack(all.conventional[i], all.symbols);
    const cells = { "as computed": given };
    if (conventional) {
      cells.conventional = conventional;
      const smaller = primitive(conventional, R.columns.group[i]);
      if (smaller !== conventional) cells.primitive = smaller;
    }
    return cells;
  };

  R.cartesian = (cell, place) => (cell.lattice ? times(place, cell.lattice) : place);

  // Atoms of n³ cells, with those on the faces of the block repeated on the faces opposite.
  R.block = (cell, n) => {
    const found = [];
    for (const { symbol, place } of cell.atoms) {
      if (!cell.lattice) {
        found.push({ symbol, at: place });
        continue;
      }
      const base = place.map(wrap);
      const ranges = base.map((x) => {
        const cells = Array.from({ length: n }, (_, k) => k);
        return x < 1e-3 ? [...cells, n] : cells;
      });
      for (const a of ranges[0]) for (const b of ranges[1]) for (const c of ranges[2]) {
        found.push({ symbol, at: times(plus(base, [a, b, c]), cell.lattice) });
      }
    }
    return found;
  };

  const BONDED = 1.15; // times the sum of covalent radii
  R.bonded = (one, other) => {
    const [a, b] = [R.data.elements[one.symbol], R.data.elements[other.symbol]];
    const distance = norm(minus(one.at, other.at));
    return distance > 0.4 && distance < BONDED * (a.radius + b.radius);
  };

  // Pairs of atoms near enough to be bonded, found in boxes as wide as the longest bond.
  R.bonds = (atoms) => {
    const radii = Object.values(R.data.elements).map((one) => one.radius);
    const width = 2 * BONDED * Math.max(...radii, 0.5);
    const boxes = new Map();
    const box = (at) => at.map((x) => Math.floor(x / width));
    atoms.forEach((atom, k) => {
      const key = box(atom.at).join();
      if (!boxes.has(key)) boxes.set(key, []);
      boxes.get(key).push(k);
    });
    const pairs = [];
    atoms.forEach((atom, k) => {
      const [x, y, z] = box(atom.at);
      for (const a of [-1, 0, 1]) for (const b of [-1, 0, 1]) for (const c of [-1, 0, 1]) {
        for (const other of boxes.get([x + a, y + b, z + c].join()) ?? []) {
          if (other > k && R.bonded(atom, atoms[other])) pairs.push([k, other]);
        }
      }
    });
    return pairs;
  };

  // Faces of the convex hull of a few points, as triples of their numbers.
  R.faces = (points) => {
    const found = [];
    const n = points.length;
    for (let a = 0; a < n; a += 1) for (let b = a + 1; b < n; b += 1) for (let c = b + 1; c < n; c += 1) {
      const normal = cross(minus(points[b], points[a]), minus(points[c], points[a]));
      if (norm(normal) < 1e-3) continue;
      const sides = points.map((p) => dot(normal, minus(p, points[a])) / norm(normal));
      if (sides.every((s) => s < 0.02)) found.push([a, b, c]);
      else if (sides.every((s) => s > -0.02)) found.push([a, c, b]);
    }
    return found;
  };

  // Polyhedra of more electronegative neighbours, four or more, around the atoms of a block.
  R.polyhedra = (cell, atoms) => {
    const images = [];
    if (!cell.lattice) return [];
    const span = R.block(cell, 1);
    const chi = (symbol) => R.data.elements[symbol].electronegativity ?? 0;
    for (const atom of atoms) {
      const fractional = times(atom.at, inverse(cell.lattice)).map((x) => Math.floor(x + 1e-6));
      const seen = new Map();
      for (const a of [-1, 0, 1]) for (const b of [-1, 0, 1]) for (const c of [-1, 0, 1]) {
        const shift = times(plus(fractional, [a, b, c]), cell.lattice);
        for (const other of span) {
          const image = { symbol: other.symbol, at: plus(other.at, shift) };
          if (R.bonded(atom, image)) seen.set(image.at.map((x) => x.toFixed(2)).join(), image);
        }
      }
      const around = [...seen.values()];
      const anions = around.filter((one) => chi(one.symbol) > chi(atom.symbol) + 0.4);
      if (anions.length < 4 || anions.length > 14 || anions.length < around.length) continue;
      const points = anions.map((one) => one.at);
      images.push({ symbol: atom.symbol, points, faces: R.faces(points), anions });
    }
    return images;
  };
})(window.gencspReport);
