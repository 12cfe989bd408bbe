// What is said in numbers: origins, space groups, the funnel, failures, settings, versions.
"use strict";
(function (R) {
  const card = (title, content) => {
    const made = R.element("section", null, { className: "card" });
    made.append(R.element("h2", title), content);
    return made;
  };

  const bars = (counts, colour) => {
    const most = Math.max(...counts.map(([, n]) => n), 1);
    const list = R.element("div", null, { className: "bars" });
    for (const [name, n] of counts) {
      const track = R.element("div", null, { className: "track" });
      const bar = R.element("div", null, { className: "bar" });
      bar.style.width = `${(100 * n) / most}%`;
      bar.style.background = colour;
      track.append(bar);
      list.append(R.element("span", name, { className: "name" }), track, R.element("span", n.toLocaleString("en"), { className: "number" }));
    }
    return list;
  };

  const plainTable = (titles, rows) => {
    const table = R.element("table", null, { className: "plain" });
    const line = (cells, tag) => {
      const row = R.element("tr");
      cells.forEach((one, k) => row.append(R.element(tag, one ?? "", { className: k ? "number" : "" })));
      table.append(row);
    };
    line(titles, "th");
    rows.forEach((row) => line(row, "td"));
    return table;
  };

  const pairs = (id, facts) => {
    for (const [name, value] of facts) {
      const row = R.element("tr");
      row.append(R.element("td", name), R.element("td", value));
      R.get(id).append(row);
    }
  };

  const spaceGroups = () => {
    const counts = new Map();
    for (const i of R.all) {
      if (R.hasEnergy(i) && R.columns.group[i] && !R.columns.duplicate[i]) counts.set(R.columns.group[i], (counts.get(R.columns.group[i]) ?? 0) + 1);
    }
    const sorted = [...counts].sort((a, b) => b[1] - a[1]);
    const rest = sorted.slice(12).reduce((sum, [, n]) => sum + n, 0);
    return rest ? [...sorted.slice(0, 12), [`${sorted.length - 12} others`, rest]] : sorted;
  };

  R.writeSummary = () => {
    const { data } = R;
    R.get("title").textContent = data.title;
    R.get("place").textContent = data.place;
    for (const [name, value] of data.facts) {
      const one = R.element("div");
      one.append(R.element("dt", name), R.element("dd", value));
      R.get("facts").append(one);
    }
    for (const message of data.messages) R.get("messages").append(R.element("p", message, { className: "message" }));
    const summary = R.get("summary");
    if (data.origins.length) {
      const late = data.origins.some((one) => one.late !== null);
      const rows = data.origins.map((one) => [one.origin, one.made, one.converged, one.crystals, one.lowest?.toFixed(4),
        ...(late ? [one.late === null ? "" : `${Math.round(100 * one.late)} %`] : [])]);
      summary.append(card("Where structures came from", plainTable(
        ["made by", "made", "converged", "no duplicate", `lowest ${data.symbol}${R.anyAbove ? "_d" : ""}`, ...(late ? ["last quarter"] : [])], rows)));
    }
    if (data.funnel.length) summary.append(card("Funnel", bars(data.funnel, R.colours[0])));
    const groups = spaceGroups();
    if (groups.length) summary.append(card("Space groups of different crystals", bars(groups, R.colours[2])));
    if (data.failures.length) summary.append(card("What failed, by reason", bars(data.failures, R.colours[1])));
    pairs("settings", data.settings);
    R.get("settings-card").hidden = !data.settings.length;
    pairs("numbers", data.numbers);
    R.get("numbers-card").hidden = !data.numbers.length;
    R.get("versions").textContent = data.versions.map(([name, value]) => `${name} ${value}`).join(", ");
  };
})(window.gencspReport);
