// Puts the page together.
"use strict";
(function (R) {
  R.shown = [];
  R.trialName = R.data.kind === "search" ? "trial" : R.data.kind === "pool" ? "place in the pool" : "generated structure";
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

  R.writeSummary();
  if (R.count === 0) {
    for (const id of ["plots", "table-card", "right"]) R.get(id).hidden = true;
    R.ready = true;
    return;
  }
  R.writeLegend();
  R.startStructure();
  R.startTable(() => R.select(asked() ?? R.shown[0] ?? 0));
  window.addEventListener("beforeprint", () => {
    R.get("settings-card").open = true;
  });
})(window.gencspReport);
