/* Keys of q-bins: click shows or hides one, double click shows it alone, "auto" gives the choice back. */
(function () {
  "use strict";
  let last = { label: null, at: 0 };
  document.addEventListener("click", (event) => {
    const key = event.target.closest && event.target.closest("[data-q]");
    const bar = key && key.closest(".xd-qbar");
    if (!bar || !window.dash_clientside || !window.dash_clientside.set_props) return;
    const choose = (q) => window.dash_clientside.set_props("shell-select", { data: { q } });
    if (key.dataset.q === "auto") { choose(null); return; }
    const label = Number(key.dataset.q), now = performance.now();
    const twice = last.label === label && now - last.at < 350;
    last = { label, at: now };
    if (twice) { choose([label]); return; }
    const shown = [...bar.querySelectorAll('[data-q][aria-pressed="true"]')].map((k) => Number(k.dataset.q)).filter(Number.isFinite);
    const next = shown.includes(label) ? shown.filter((k) => k !== label) : [...shown, label].sort((a, b) => a - b);
    choose(next.length ? next : null);
  });
})();
