// Puts the page together.
"use strict";
(function (R) {
  R.shown = [];
  R.get("volume-title").textContent = "Energy against volume";
  R.get("trial-title").textContent = `Energy against ${R.trialName}`;

  // Draw all plots again, once for all changes of one moment.
  let waiting = 0;
  R.redraw = () => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => {
      R.drawHull();
      R.drawVolume();
      R.drawTrials();
      R.ready = true;
    });
  };

  // The structure that was chosen before the page was loaded anew, as it is while a run goes on.
  const key = `gencsp: ${R.data.place}`;
  R.remember = (id) => {
    try {
      sessionStorage.setItem(key, id);
    } catch {
      // A browser may forbid pages to remember anything.
    }
  };
  const asked = () => {
    try {
      return R.at.get(sessionStorage.getItem(key));
    } catch {
      return undefined;
    }
  };

  // Paper has other widths than the window, and everything has to be there.
  const PAPER = 960; // pixels of a plot across A4 on its side
  const plots = () => [...document.querySelectorAll(".js-plotly-plot")];
  window.addEventListener("beforeprint", () => {
    R.get("settings-card").open = true;
    R.printTable();
    for (const plot of plots()) Plotly.relayout(plot, { width: plot.closest(".pair") ? PAPER / 2 - 20 : PAPER, height: plot.clientHeight });
  });
  window.addEventListener("afterprint", () => {
    R.get("printed").textContent = "";
    for (const plot of plots()) Plotly.relayout(plot, { width: null, height: null, autosize: true });
  });

  R.writeSummary();
  if (R.count === 0) {
    for (const id of ["plots", "table-card", "right"]) R.get(id).hidden = true;
    R.ready = true;
    return;
  }
  R.writeLegend();
  R.startStructure();
  R.startTable(() => R.select(asked() ?? R.shown[0] ?? 0));
})(window.gencspReport);
