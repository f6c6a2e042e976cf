/* Health strip, theme, keys, dialogs, kiosk: everything that ticks or reacts without the server. */
(function () {
  "use strict";
  const xd = (window.xd = window.xd || {});
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const text = (id, value) => { const e = $(id); if (e && e.textContent !== value) e.textContent = value; };
  const two = (n) => String(n).padStart(2, "0");

  xd.age = (seconds) => {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return s + " s";
    if (s < 3600) return Math.floor(s / 60) + " min " + two(s % 60) + " s";
    if (s < 86400) return Math.floor(s / 3600) + " h " + two(Math.floor((s % 3600) / 60)) + " min";
    return Math.floor(s / 86400) + " d " + Math.floor((s % 86400) / 3600) + " h";
  };
  const SIGN = { ok: "●", warning: "▲", alarm: "✕", nodata: "◌", stale: "◍" };
  const WORD = { ok: "", warning: "", alarm: "alarm", nodata: "no data", stale: "stale" };

  /* ---- once a second, without the server ----------------------------------------------------------------- */
  const tick = () => {
    const { live, lost, offset } = xd.state;
    const now = new Date(xd.now());
    text("shell-clock", two(now.getHours()) + ":" + two(now.getMinutes()) + ":" + two(now.getSeconds()));
    let state = "nodata", shown = "…", age = null;
    if (live) {
      age = live.newest ? xd.now() / 1000 - live.newest.mtime : null;
      shown = age === null ? "none yet" : xd.age(age);
      state = live.state;
      if (age !== null && age > xd.config.stale_s && (state === "ok" || state === "warning")) state = "stale";
      if (lost !== null) state = "alarm";
    }
    text("live-age", shown);
    document.querySelectorAll("[data-xd-age]").forEach((e) => { if (e.textContent !== shown) e.textContent = shown; });
    const own = age === null ? "nodata" : age > xd.config.stale_s ? "stale" : "ok";
    if (root.dataset.state !== state) root.dataset.state = state;
    const item = $("shell-age");
    if (item && item.dataset.state !== own) {
      item.dataset.state = own;
      text("shell-state-sign", SIGN[own]);
      item.title = "age of the newest data" + (WORD[own] ? ": " + WORD[own] : "");
    }
    const drift = Math.abs(offset) > 2000 ? " · your clock " + (offset > 0 ? "−" : "+") + xd.age(Math.abs(offset) / 1000) : "";
    const clock = $("shell-clock");
    if (clock) clock.parentElement.title = "time at the server" + drift;
    if (lost !== null) {
      const since = xd.age((Date.now() - lost) / 1000);
      text("shell-connection", "✕ connection lost " + since);
      text("shell-banner", "The server has not answered for " + since + ". What you see may be old. Trying again…");
    }
  };

  const strip = () => {
    const { live } = xd.state;
    if (!live) return;
    const watch = live.watch || {}, counts = live.counts || {};
    const item = $("shell-watch-item");
    if (item) {
      item.dataset.state = watch.alive ? "ok" : "alarm";
      item.title = (watch.mode_reason || "") || (watch.alive ? "new files are noticed" : "new files are not noticed");
      item.replaceChildren(...(watch.root
        ? [document.createTextNode(watch.alive ? "watching " : "✕ not watching "), bold(watch.root, "shell-watch"), document.createTextNode(watch.mode ? " · " + watch.mode : "")]
        : [document.createTextNode(watch.alive ? "watching" : "✕ no watcher"), bold("", "shell-watch")]));
    }
    text("shell-waiting", String(counts.waiting || 0));
    text("shell-failed", String(counts.failed || 0));
    const failed = $("shell-failed-item");
    if (failed) failed.dataset.state = counts.failed ? "warning" : "";
    const jobs = live.jobs || {};
    text("shell-jobs", jobs.running && jobs.queued ? jobs.running + " + " + jobs.queued + " queued" : String((jobs.running || 0) + (jobs.queued || 0)));
    const warning = $("shell-warning");
    if (warning) {
      const list = live.problems || [], flags = xd.rulesOf(live.newest && live.newest.flags).filter((rule) => rule.severity !== "note");
      const all = list.map((p) => p.text).concat(flags.map((rule) => rule.sentence));
      warning.hidden = !all.length;
      const alarm = list.some((p) => p.state === "alarm") || flags.some((rule) => rule.severity === "alarm");
      warning.className = "xd-item xd-plain " + (alarm ? "xd-alarm" : "xd-warning");
      warning.title = all.join("\n");
      warning.replaceChildren();
      if (all.length) warning.append(bold((alarm ? "✕ " : "▲ ") + (all.length > 1 ? all.length + " warnings " : "")), document.createTextNode(all[0]));
    }
    badge();
    tick();
    xd.fillProblems();
  };
  const bold = (value, id) => { const b = document.createElement("b"); b.textContent = value; if (id) b.id = id; return b; };

  const badge = () => {
    const { view, live } = xd.state, following = view.file === "latest";
    const on = $("shell-follow"), off = $("shell-pin"), fresh = $("shell-new");
    if (!on || !off || !fresh) return;
    on.setAttribute("aria-pressed", String(following));
    off.setAttribute("aria-pressed", String(!following));
    if (on.firstChild.nodeValue !== (following ? "Following latest" : "Follow latest")) on.firstChild.nodeValue = following ? "Following latest" : "Follow latest";
    const n = following || !live ? 0 : live.n_new || 0;
    fresh.hidden = !n;
    fresh.textContent = n + " new";
    const pinned = following ? 0 : view.file.length;
    off.textContent = following ? "Pin" : pinned > 1 ? "Pinned " + pinned : "Pinned";
  };

  const lost = () => {
    const gone = xd.state.lost !== null;
    root.dataset.lost = gone ? "1" : "0";
    ["shell-connection", "shell-banner"].forEach((id) => { const e = $(id); if (e) e.hidden = !gone; });
    tick();
  };

  /* ---- messages ------------------------------------------------------------------------------------------ */
  xd.toast = (message, kind) => {
    const box = $("shell-toasts");
    if (!box || !message) return;
    const e = document.createElement("div");
    e.className = "xd-toast xd-toast-" + (kind || "info");
    e.setAttribute("role", kind === "alarm" ? "alert" : "status");
    e.textContent = ({ ok: "● ", warning: "▲ ", alarm: "✕ " }[kind] || "") + message;
    e.addEventListener("click", () => e.remove());
    box.append(e);
    while (box.children.length > 4) box.firstChild.remove();
    setTimeout(() => e.remove(), kind === "alarm" ? 12000 : 5000);
  };

  /* ---- waiting and failed files -------------------------------------------------------------------------- */
  xd.fillProblems = () => {
    const dialog = $("shell-problems"), list = $("shell-problems-list");
    if (!dialog || !dialog.open || !list) return;
    const rows = [...xd.rows.values()].filter((r) => r.state === "failed" || r.state === "waiting")
      .sort((a, b) => (a.state === b.state ? b.t - a.t : a.state === "failed" ? -1 : 1));
    const live = xd.state.live || {};
    const notes = (live.problems || []).map((p) => [p.state, p.state === "alarm" ? "✕ alarm" : "▲ warning", "The dashboard", p.text])
      .concat(xd.rulesOf(live.newest && live.newest.flags).map((rule) => { const [state, sign] = xd.MARKS[rule.severity]; return [state, sign + " " + rule.severity, live.newest.name, rule.sentence]; }));
    if (!rows.length && !notes.length) {
      const p = document.createElement("p");
      p.className = "xd-state-hint";
      p.textContent = "No file waits and none has failed.";
      list.replaceChildren(p);
      return;
    }
    list.replaceChildren(...notes.map((note) => problem(...note)), ...rows.slice(0, 200).map((row) => {
      const [state, sign, word] = xd.SIGNS[row.state];
      const line = problem(state, sign + " " + word, row.name, (row.reason || "being written or read") + " · since " + xd.clockOf(row.t));
      if (xd.config.may_write && row.state === "failed") {
        const again = document.createElement("button");
        again.type = "button"; again.className = "xd-btn"; again.textContent = "Retry";
        again.addEventListener("click", (e) => xd.retry(e, row));
        line.append(again);
      }
      return line;
    }));
  };
  const problem = (state, mark, name, why) => {
    const line = document.createElement("div"), sign = document.createElement("span"), words = document.createElement("div"), text = document.createElement("div");
    line.className = "xd-problem";
    sign.className = "xd-mark xd-" + state;
    sign.textContent = mark;
    text.className = "xd-muted";
    text.textContent = why;
    words.append(bold(name), text);
    line.append(sign, words);
    return line;
  };
  const open = (id) => { const d = $(id); if (d && !d.open) { d.showModal(); xd.fillProblems(); } };
  const close = () => document.querySelectorAll("dialog.xd-dialog[open]").forEach((d) => d.close());

  /* ---- dark and light ------------------------------------------------------------------------------------ */
  let templates = null;
  const theme = async (name) => {
    root.dataset.bsTheme = name;
    document.cookie = "xd-theme=" + name + "; path=" + xd.config.prefix + "; max-age=31536000; samesite=lax";
    text("shell-theme-name", name);
    if (!templates) templates = await (await fetch(xd.url("/api/templates"))).json();
    document.querySelectorAll(".dash-graph").forEach((e) => {
      const gd = e.querySelector(".js-plotly-plot");
      if (!gd || !gd.layout || !e.id) return;
      // through Dash, so that the next patch does not bring the old template back
      const layout = { ...gd.layout, template: templates[name] };
      window.dash_clientside.set_props(idOf(e.id), { figure: { data: gd.data, layout } });
    });
    window.dash_clientside.set_props("shell-theme", { data: name });
    // what a template does not reach (traces, shapes, pictures) comes anew from the page's own callbacks; they
    // send changes that leave every zoom alone
    if (xd.state.current) window.dash_clientside.set_props("shell-current", { data: { ...xd.state.current, theme: name } });
  };
  const idOf = (id) => (id.startsWith("{") ? JSON.parse(id) : id);
  xd.toggleTheme = () => theme(root.dataset.bsTheme === "light" ? "dark" : "light");

  const fullscreen = () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else root.requestFullscreen().catch(() => xd.toast("This browser does not allow full screen here.", "warning"));
  };

  const onKey = (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented) return;
    const t = e.target;
    if (t.matches("input, textarea, select, [contenteditable=true]") && !["checkbox", "radio", "button"].includes(t.type)) {
      if (e.key === "Escape") t.blur();
      return;
    }
    if (xd.kiosk() && e.key !== "f") return;
    const act = {
      n: () => xd.step(true), p: () => xd.step(false), l: () => xd.select({ file: "latest" }), f: fullscreen,
      d: xd.toggleTheme, "?": () => ($("shell-help").open ? close() : open("shell-help")),
      "/": () => { const s = $("shell-search"); if (s) s.focus(); },
    }[e.key];
    if (!act) return;
    e.preventDefault();
    act();
  };

  const BUTTONS = {
    "shell-follow": () => xd.select({ file: "latest" }),
    "shell-pin": () => {
      const now = xd.state.current;
      if (xd.state.view.file !== "latest") return;
      if (now && now.files.length) xd.select({ file: now.files.map((f) => f.ref) });
      else xd.toast("There is no file to pin yet.", "info");
    },
    "shell-theme-switch": () => xd.toggleTheme(),
    "shell-fullscreen": fullscreen,
    "shell-help-open": () => open("shell-help"),
    "shell-help-close": close,
    "shell-problems-open": () => open("shell-problems"),
    "shell-warning": () => open("shell-problems"),
    "shell-problems-close": close,
    "shell-notice-accept": () => xd.acceptReplaced(),
    "shell-jobs-item": () => { const p = ["/jobs", "/fits"].find((x) => x in xd.config.pages); if (p) xd.go(p); },
  };

  xd.startUi = () => {
    text("shell-theme-name", root.dataset.bsTheme);
    document.addEventListener("keydown", onKey);
    // conditions that the title line has no room for are read in full by pointing at them
    document.addEventListener("mouseover", (e) => {
      const line = e.target instanceof Element && e.target.closest(".xd-panel-conditions");
      if (line) line.title = line.scrollWidth > line.clientWidth ? line.innerText : "";
    });
    document.addEventListener("click", (e) => {
      const b = e.target.closest("button[id], a[id]");
      if (b && BUTTONS[b.id]) { e.preventDefault(); BUTTONS[b.id](); }
      else if (e.target.matches("dialog.xd-dialog")) close();          // its backdrop
      else if (xd.kiosk() && !document.fullscreenElement) fullscreen();
    });
    xd.on("live", strip);
    xd.on("current", badge);
    xd.on("view", badge);
    xd.on("lost", lost);
    setInterval(tick, 1000);
    tick();
    xd.startFiles();
    kioskReload();
  };

  /* A screen on the wall starts afresh once a day, when the server is there and its newest file is shown. */
  const kioskReload = () => setInterval(() => {
    if (xd.kiosk() && xd.state.lost === null && performance.now() > 24 * 3600 * 1000) window.location.reload();
  }, 60000);
})();
