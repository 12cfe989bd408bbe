// The table of structures: sorted, filtered and searched; only the rows in sight are in the page.
"use strict";
(function (R) {
  const c = R.columns;
  let table = null;

  const rows = () => R.all.map((i) => ({
    i, rank: i + 1, above: c.above[i], energy: c.energy[i], formula: c.formula[i], group: c.group[i], stage: c.stage[i], origin: c.origin[i],
    trial: c.trial[i], volume: c.volume[i], copies: c.copies[i], id: c.id[i], reference: c.reference[i], similarity: c.similarity[i],
    note: [c.failure[i], c.fell[i] && `fell at ${c.fell[i]}`, c.duplicate[i] && `= ${c.duplicate[i]}`].filter(Boolean).join("; "),
  }));

  // Cells are text, whatever the text is.
  const text = (cell) => document.createTextNode(cell.getValue() ?? "");
  const number = (digits) => (cell) => document.createTextNode(cell.getValue() === null ? "" : cell.getValue().toFixed(digits));
  const above = (cell) => {
    const { i } = cell.getRow().getData();
    return document.createTextNode(c.shown[i]);
  };
  const formula = (cell) => R.formula(cell.getValue());

  // "<0.05", ">=3", "0.1..0.2" or a number, of which the values up to it are meant.
  const within = (wanted, value) => {
    const span = wanted.match(/^\s*(-?[\d.]+)\s*\.\.\s*(-?[\d.]+)\s*$/);
    const bound = wanted.match(/^\s*(<=?|>=?|=)?\s*(-?[\d.]+)\s*$/);
    if (!span && !bound) return true;
    if (value === null) return false;
    if (span) return value >= Number(span[1]) && value <= Number(span[2]);
    const limit = Number(bound[2]);
    return { "<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit, "=": value === limit }[bound[1] ?? "<="];
  };

  const has = (key) => c[key]?.some((value) => value !== null && value !== "");
  const words = (title, field, more = {}) => ({ title, field, formatter: text, headerFilter: "input", sorter: "string", headerFilterPlaceholder: "has",
    accessorDownload: (value) => value, ...more });
  const numeric = (title, field, digits, more = {}) => ({ title, field, hozAlign: "right", headerHozAlign: "right", sorter: "number", formatter: number(digits),
    sorterParams: { alignEmptyValues: "bottom" }, headerFilter: "input", headerFilterFunc: within, headerFilterPlaceholder: "≤", ...more });

  const columns = () => [
    { title: "", field: "rank", hozAlign: "right", sorter: "number", formatter: text, width: 52 },
    R.anyAbove && numeric(`${R.data.symbol}_d (eV/atom)`, "above", 4, { formatter: above, width: 106 }),
    has("similarity") && numeric("XRD", "similarity", 3, { width: 66 }),
    words("formula", "formula", { formatter: formula, width: 98 }),
    words("space group", "group", { width: 122 }),
    has("origin") && words("made by", "origin", { width: 112 }),
    words("id", "id", { width: 116 }),
    has("trial") && numeric(R.trialName.split(" ")[0], "trial", 0, { width: R.trialName === "trial" ? 66 : 90 }),
    has("volume") && numeric("V (Å³/atom)", "volume", 3, { width: 82 }),
    has("copies") && numeric("found", "copies", 0, { width: 68 }),
    has("stage") && words("stage", "stage", { width: 92 }),
    numeric(`${R.data.symbol} (eV/atom)`, "energy", 4, { width: 92 }),
    has("reference") && words("reference", "reference", { width: 150 }),
    words("note", "note", { minWidth: 130 }),
  ].filter(Boolean);

  const wanted = () => {
    const [energy, different] = [R.get("with-energy").checked, R.get("different").checked];
    const sought = R.get("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    return (row) => {
      if (energy && !R.hasEnergy(row.i)) return false;
      if (different && c.duplicate[row.i]) return false;
      const all = `${row.formula} ${row.group} ${row.stage} ${row.origin} ${row.id} ${row.reference} ${row.note}`.toLowerCase();
      return sought.every((word) => all.includes(word));
    };
  };

  R.markRow = (i) => {
    for (const row of document.querySelectorAll(".tabulator-row.chosen")) row.classList.remove("chosen");
    table?.getRows("visible").find((row) => row.getData().i === i)?.getElement().classList.add("chosen");
  };

  // All rows for paper, as text: the table itself has only those in sight in the page.
  const PRINTED = 500;
  R.printTable = () => {
    const place = R.get("printed");
    place.textContent = "";
    if (!table) return;
    const fields = table.getColumns().map((column) => column.getDefinition());
    const all = table.getRows("active").map((row) => row.getData());
    const made = R.element("table", null, { className: "plain" });
    const head = R.element("tr");
    for (const { title } of fields) head.append(R.element("th", title));
    made.append(R.element("thead"));
    made.tHead.append(head);
    for (const row of all.slice(0, PRINTED)) {
      const line = R.element("tr");
      for (const field of fields) line.append(R.element("td", printed(field, row)));
      made.append(line);
    }
    place.append(made);
    if (all.length > PRINTED) place.append(R.element("p", `The first ${PRINTED} of ${all.length} structures.`, { className: "hint" }));
  };
  const DIGITS = { energy: 4, volume: 3, similarity: 3 };
  const printed = ({ field }, row) => {
    if (field === "above") return c.shown[row.i];
    return row[field] !== null && field in DIGITS ? row[field].toFixed(DIGITS[field]) : row[field];
  };

  R.startTable = (then) => {
    const some = R.all.some(R.hasEnergy);
    const shown = some ? R.all.filter((i) => R.hasEnergy(i) && !c.duplicate[i]).length : R.count;
    R.get("with-energy").checked = some;
    R.get("different").checked = some;
    table = new Tabulator("#table", {
      data: rows(), columns: columns(), index: "i", height: Math.min(460, 92 + 30 * Math.max(shown, Math.min(R.count, 6))), layout: "fitDataFill", rowHeight: 28,
      headerSortClickElement: "header", columnDefaults: { headerTooltip: false, headerWordWrap: true, resizable: "header" }, placeholder: "no structure is left by these filters",
      initialFilter: [], renderVerticalBuffer: 300,
      rowFormatter: (row) => row.getElement().classList.toggle("chosen", row.getData().i === R.selected),
    });
    R.table = table;
    table.on("rowClick", (event, row) => R.select(row.getData().i));
    table.on("dataFiltered", (filters, left) => {
      R.shown = left.map((row) => row.getData().i);
      R.get("count").textContent = `${R.shown.length} of ${R.count}`;
      R.redraw();
    });
    table.on("tableBuilt", () => {
      table.setFilter(wanted());
      then();
    });
    const again = () => table.setFilter(wanted());
    R.get("with-energy").onchange = again;
    R.get("different").onchange = again;
    let waiting = 0;
    R.get("search").oninput = () => {
      clearTimeout(waiting);
      waiting = setTimeout(again, 150);
    };
  };
})(window.gencspReport);
