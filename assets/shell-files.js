/* The tables of files. Rows come from /api/files: all once, then only those that changed since a revision. */
(function () {
  "use strict";
  const xd = (window.xd = window.xd || {});
  xd.rows = new Map();
  xd.sample = ""; xd.kind = ""; xd.show = "all";
  let revision = null, fetching = false, again = false;
  const grids = {};                    // id -> api
  const SIGNS = { ready: ["ok", "●", "ready"], waiting: ["nodata", "◌", "waiting"], failed: ["alarm", "✕", "failed"] };
  xd.SIGNS = SIGNS;

  xd.syncRows = async () => {
    if (fetching) { again = true; return; }
    fetching = true;
    try {
      const first = revision === null;
      const answer = await fetch(xd.url("/api/files") + (first ? "" : "?since=" + revision), { cache: "no-store" });
      if (answer.ok) {
        const got = await answer.json();
        if (got.all) xd.rows.clear();          // first, or the catalogue was built anew
        take(got.files, got.all);
        revision = got.revision;
      }
    } catch (err) { /* the poll says that the connection is lost, and asks again */ }
    fetching = false;
    if (again) { again = false; xd.syncRows(); }
  };

  const take = (files, all) => {
    const change = { add: [], update: [], remove: [] };
    files.forEach((row) => {
      const known = xd.rows.has(row.ref);
      if (row.state === "gone") { if (known) { change.remove.push(row); xd.rows.delete(row.ref); } return; }
      row.row = row.ref;
      row.hay = [row.name, row.sample, row.scan, row.folder, row.reason, (row.flags || []).join(" ")].join(" ").toLowerCase();
      xd.rows.set(row.ref, row);
      (known ? change.update : change.add).push(row);
    });
    if (!change.add.length && !change.update.length && !change.remove.length && !all) return;
    Object.values(grids).forEach((api) => apply(api, change, all));
    samples();
    counts();
    if (xd.fillProblems) xd.fillProblems();
    xd.title();
    follow();
  };

  /* New rows on top must not push away what a person has scrolled to. */
  const apply = (api, change, all) => {
    if (all || !api.xdFilled) {
      api.xdFilled = true;
      api.setGridOption("rowData", [...xd.rows.values()]);
      return;
    }
    const first = api.getFirstDisplayedRowIndex(), node = first > 0 ? api.getDisplayedRowAtIndex(first) : null;
    const before = node ? node.rowTop : 0;
    api.applyTransaction(change);
    if (node && node.displayed && node.rowTop !== before) {
      const box = document.querySelector("#" + api.xdId + " .ag-body-viewport");
      if (box) box.scrollTop += node.rowTop - before;
    }
  };

  const attach = async (id) => {
    if (!document.getElementById(id)) return null;
    const api = await window.dash_ag_grid.getApiAsync(id);
    if (grids[id] === api) return api;
    grids[id] = api;
    api.xdId = id;
    if (xd.rows.size || revision !== null) apply(api, null, true);
    api.addEventListener("rowClicked", (e) => clicked(api, e));
    api.addEventListener("modelUpdated", counts);
    counts();
    follow();
    return api;
  };
  /* A callback may run before the grid of its page is drawn, or after the page was left: try for ten seconds. */
  const attachSoon = async (id, tries = 200) => {
    const api = await attach(id);
    if (api || !tries) return api;
    await new Promise((done) => setTimeout(done, 50));
    return attachSoon(id, tries - 1);
  };
  xd.grid = (id) => grids[id] || null;

  /* A file that is known by its kind alone (raw data, a mask) has nothing that a page could show. */
  const shows = (row) => !(row.kinds || []).includes(row.layout);

  /* A click pins one file, Ctrl adds or takes one away, Shift takes all between. */
  const clicked = (api, e) => {
    const mouse = e.event;
    if (!mouse || mouse.target.closest("button, a")) return;
    const row = e.data;
    if (row.state !== "ready" || !shows(row)) {
      xd.toast(row.name + ": " + (row.reason || row.note || SIGNS[row.state][2]), row.state === "failed" ? "alarm" : "info");
      return;
    }
    const old = xd.state.current ? xd.state.current.files.map((f) => f.ref) : [];
    let ids = [row.ref];
    if (mouse.ctrlKey || mouse.metaKey) ids = old.includes(row.ref) ? old.filter((i) => i !== row.ref) : [...old, row.ref];
    else if (mouse.shiftKey && api.xdLast) {
      const shown = [];
      api.forEachNodeAfterFilterAndSort((node) => { if (node.data.state === "ready") shown.push(node.data.ref); });
      const [from, to] = [shown.indexOf(api.xdLast), shown.indexOf(row.ref)].sort((x, y) => x - y);
      if (from >= 0) ids = [...new Set([api.xdLast, ...shown.slice(from, to + 1)])].slice(0, 50);
    }
    if (!mouse.shiftKey) api.xdLast = row.ref;
    if (ids.length) xd.select({ file: ids });
  };

  /* Rows of the selection look selected, whoever made it. The grid's own selection is not used: Dash writes to it. */
  let marked = new Set();
  const follow = () => {
    const ids = new Set(xd.state.current ? xd.state.current.files.map((f) => f.ref) : []);
    const changed = [...new Set([...marked, ...ids])].filter((i) => marked.has(i) !== ids.has(i));
    marked = ids;
    if (!changed.length) return;
    Object.values(grids).forEach((api) => {
      if (api.isDestroyed && api.isDestroyed()) return;
      const rowNodes = changed.map((i) => api.getRowNode(i)).filter(Boolean);
      if (rowNodes.length) api.redrawRows({ rowNodes });
    });
  };
  xd.on("current", follow);

  /* n and p: the next and the previous file in time, or in the order of the list where it is not by time. */
  xd.step = (forward) => {
    const api = grids["shell-grid"];
    let rows = [];
    if (api) api.forEachNodeAfterFilterAndSort((node) => { if (node.data.result) rows.push(node.data); });
    if (!rows.length) rows = [...xd.rows.values()].filter((r) => r.result).sort((a, b) => b.t - a.t);
    const sort = (document.getElementById("shell-sort") || {}).value || "newest";
    const current = xd.state.current, at = current && current.files.length ? rows.findIndex((r) => r.ref === current.files[0].ref) : -1;
    const next = at + (forward === (sort !== "newest") ? 1 : -1);
    if (at < 0 && rows.length) xd.select({ file: [rows[0].ref] });
    else if (next >= 0 && next < rows.length) {
      xd.select({ file: [rows[next].ref] });
      if (api) api.ensureNodeVisible(api.getRowNode(rows[next].ref));
    } else xd.toast(next < 0 === (sort === "newest") ? "This is the newest file." : "There is no file beyond this one.", "info");
  };

  /* ---- search, filters, order ---------------------------------------------------------------------------- */
  const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
  let needles = [], tableNeedles = [];
  const kindPasses = (row, kind) => !kind || kind === "all" || (kind === "flagged" ? (row.flags || []).length > 0 || (row.warnings || []).length > 0
    : ["ready", "waiting", "failed"].includes(kind) ? row.state === kind : (row.kinds || []).includes(kind));
  const passes = (row, list, sample, kind) => list.every((w) => row.hay.includes(w)) && (!sample || row.sample === sample) && kindPasses(row, kind);
  const fns = (window.dashAgGridFunctions = window.dashAgGridFunctions || {});
  fns.xdSelected = (row) => !!row && marked.has(row.ref);
  fns.xdFilterPresent = () => needles.length > 0 || !!xd.sample || !!xd.kind;
  fns.xdFilterPass = (row) => passes(row, needles, xd.sample, xd.kind);
  fns.xdTableFilterPresent = () => tableNeedles.length > 0 || xd.show !== "all";
  fns.xdTableFilterPass = (row) => passes(row, tableNeedles, "", xd.show);
  const ORDERS = { newest: [["t", "desc"]], oldest: [["t", "asc"]], name: [["name", "asc"]], sample: [["sample", "asc"], ["t", "desc"]] };

  xd.startFiles = () => {
    const changed = () => { const api = grids["shell-grid"]; if (api) api.onFilterChanged(); counts(); };
    let wait = null;
    document.addEventListener("input", (e) => {
      if (e.target.id !== "shell-search") return;
      clearTimeout(wait);
      wait = setTimeout(() => { needles = words(e.target.value); changed(); }, 120);
    });
    document.addEventListener("change", (e) => {
      if (e.target.id === "shell-filter-sample") { xd.sample = e.target.value; changed(); }
      if (e.target.id === "shell-filter-kind") { xd.kind = e.target.value; changed(); }
      if (e.target.id === "shell-sort") {
        const api = grids["shell-grid"];
        if (api) api.applyColumnState({ defaultState: { sort: null }, state: ORDERS[e.target.value].map(([colId, sort], sortIndex) => ({ colId, sort, sortIndex })) });
      }
    });
    attachSoon("shell-grid");
  };

  const samples = () => {
    const box = document.getElementById("shell-filter-sample");
    if (!box) return;
    const names = [...new Set([...xd.rows.values()].map((r) => r.sample).filter(Boolean))].sort();
    const have = [...box.options].slice(1).map((o) => o.value);
    if (names.length === have.length && names.every((n, i) => n === have[i])) return;
    const chosen = box.value;
    box.replaceChildren(new Option("samples", ""), ...names.map((n) => new Option(n, n)));
    box.value = names.includes(chosen) ? chosen : "";
  };

  const number = (n) => n.toLocaleString("en-GB");
  const counts = () => {
    const search = document.getElementById("shell-search");
    if (search) search.placeholder = "Search " + number(xd.rows.size) + (xd.rows.size === 1 ? " file" : " files");
    const api = grids["shell-grid"], empty = document.getElementById("shell-files-empty");
    if (empty) {
      const shown = api && api.xdFilled ? api.getDisplayedRowCount() : xd.rows.size;
      const text = shown ? "" : xd.rows.size ? "No file matches." : revision === null ? "Loading…" : "No file yet.";
      if (empty.textContent !== text) empty.textContent = text;
    }
    const table = grids["files-grid"], count = document.getElementById("files-count");
    if (table && count && !(table.isDestroyed && table.isDestroyed())) {
      const shown = table.getDisplayedRowCount();
      count.textContent = shown === xd.rows.size ? number(shown) + " files" : number(shown) + " of " + number(xd.rows.size) + " files";
    }
  };

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.files = {
    filter: (search, show) => {
      tableNeedles = words(search || "");
      xd.show = show || "all";
      attachSoon("files-grid").then((api) => { if (api) { api.onFilterChanged(); counts(); } });
      return "click pins a file · Ctrl or Shift for several · newest first";
    },
  };

  /* ---- cells --------------------------------------------------------------------------------------------- */
  const two = (n) => String(n).padStart(2, "0");
  fns.xdMoment = (value) => {
    if (value === null || value === undefined) return "";
    const d = typeof value === "number" ? new Date(value * 1000) : new Date(value);
    return isNaN(d) ? "" : d.getFullYear() + "-" + two(d.getMonth() + 1) + "-" + two(d.getDate()) + " " + two(d.getHours()) + ":" + two(d.getMinutes()) + ":" + two(d.getSeconds());
  };
  xd.clockOf = (t) => { const d = new Date(t * 1000); return two(d.getHours()) + ":" + two(d.getMinutes()) + ":" + two(d.getSeconds()); };
  const dayOf = (t) => { const d = new Date(t * 1000), now = new Date(xd.now()); return d.toDateString() === now.toDateString() ? "" : two(d.getDate()) + "." + two(d.getMonth() + 1) + ". "; };
  fns.xdKinds = (value) => (value || []).map((k) => ({ multitau: "multi-tau", twotime: "two-time" })[k] || k).join(", ");
  fns.xdWhole = (value) => (value === null || value === undefined ? "" : number(value));
  fns.xdCelsius = (value) => (value === null || value === undefined ? "" : (value - 273.15).toFixed(1));
  fns.xdBytes = (value) => {
    if (value === null || value === undefined) return "";
    const units = ["B", "kB", "MB", "GB", "TB"];
    let i = 0, v = value;
    while (v >= 1000 && i < 4) { v /= 1000; i += 1; }
    return v.toFixed(v < 10 && i ? 1 : 0) + " " + units[i];
  };

  const h = (...args) => window.React.createElement(...args);
  /* What a flag says, by the server's table of rules; one of another version says its code, as a warning. */
  const GRAVITY = { alarm: 0, warning: 1, note: 2 };
  xd.rule = (flag) => ((xd.config && xd.config.rules) || {})[flag] || { severity: "warning", sentence: flag.replace(/-/g, " ") };
  xd.rulesOf = (flags) => (flags || []).map(xd.rule).sort((a, b) => GRAVITY[a.severity] - GRAVITY[b.severity]);
  xd.MARKS = { alarm: ["alarm", "✕"], warning: ["warning", "▲"], note: ["nodata", "•"] };
  const flagsOf = (row) => xd.rulesOf(row.flags).map((rule) => rule.sentence).concat(row.warnings || []);
  /* The gravest of a file's flags; a warning of the reader is one too. */
  const gravest = (row) => { const first = xd.rulesOf(row.flags)[0]; return first && first.severity !== "note" ? first.severity : (row.warnings || []).length ? "warning" : first ? "note" : null; };
  const BESIDE = ["average", "partition", "mask", "raw data", "metadata"];     // what stands beside the results
  const noteOf = (row) => {
    if (row.state !== "ready") return SIGNS[row.state][2] + (row.reason ? ": " + row.reason : "");
    return flagsOf(row).join(" · ") || row.note || "";
  };
  const retry = async (event, row) => {
    event.stopPropagation();
    try { await xd.post("/api/files/" + encodeURIComponent(row.ref) + "/retry"); xd.toast(row.name + " is read again.", "ok"); xd.poll(); }
    catch (err) { xd.toast(err.message, "alarm"); }
  };
  xd.retry = retry;
  const retryButton = (row) => (xd.config && xd.config.may_write && row.state === "failed"
    ? h("button", { type: "button", className: "xd-link", onClick: (e) => retry(e, row) }, "retry") : null);

  /* What masks are made of opens on the Mask page; the moment tells one click from a reload of the page. */
  const maskLink = (row) => (row.state === "ready" && (row.kinds || []).some((kind) => kind === "mask" || kind === "raw data" ||
      (kind === "partition" && shows(row)))
    ? h("a", { className: "xd-link", href: xd.href("/mask", { open: row.ref, at: String(Math.round(xd.now())) }) }, "open on the Mask page") : null);

  /* The ends of names tell the files of one scan apart: cut in the middle. */
  const nameOf = (name) => h("div", { className: "xd-file-name" }, h("span", { className: "xd-cut" }, name.slice(0, -9)), h("span", null, name.slice(-9)));

  const cells = (window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {});
  cells.XdFileCell = (props) => {
    const row = props.data, flagged = row.state === "ready" && gravest(row);
    const [state, sign, word] = flagged && flagged !== "note" ? [...xd.MARKS[flagged], "flagged: " + flagged] : SIGNS[row.state] || SIGNS.waiting;
    const about = [dayOf(row.t) + xd.clockOf(row.t)];
    if (row.state === "ready") {
      if (row.n_q) about.push(row.n_q + " q");
      if ((row.kinds || []).includes("twotime")) about.push("two-time");
      about.push(...(row.kinds || []).filter((kind) => BESIDE.includes(kind)));
      if (flagged) about.push(flagsOf(row)[0]);
    } else about.splice(0, 1, noteOf(row).split("; ")[0]);
    return h("div", { className: "xd-file", title: row.file + (row.folder ? "\n" + row.folder : "") + (noteOf(row) ? "\n" + noteOf(row) : "") },
      h("div", { className: "xd-file-text" },
        nameOf(row.name),
        h("div", { className: "xd-file-about" + (row.state === "failed" ? " xd-alarm" : "") }, h("span", { className: "xd-cut" }, about.join(" · ")), retryButton(row))),
      h("span", { className: "xd-sign xd-" + state, title: word, role: "img", "aria-label": word }, sign));
  };
  cells.XdStateCell = (props) => {
    const [state, sign, word] = SIGNS[props.value] || SIGNS.waiting;
    return h("span", { className: "xd-mark xd-" + state }, h("span", { className: "xd-sign", "aria-hidden": "true" }, sign), word);
  };
  cells.XdReasonCell = (props) => {
    const row = props.data, flags = row.state === "ready" ? flagsOf(row).join(" · ") : "";
    const [state, sign] = flags ? xd.MARKS[gravest(row)] : ["", ""];
    const text = flags ? sign + " " + flags : row.reason || row.note || "";
    return h("span", { className: "xd-reason " + (row.state === "failed" ? "xd-alarm" : flags && state !== "nodata" ? "xd-" + state : "xd-muted"), title: flags || text },
      h("span", { className: "xd-cut" }, text), maskLink(row), retryButton(row));
  };
  cells.XdNameCell = (props) => nameOf(props.value || "");
})();
