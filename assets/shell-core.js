/* Loaded before the other shell-*.js. The shell: URL, selection and the poll. Pages never poll; they listen to the store "shell-current".
 *
 * State lives in one place (`xd.state`) and reaches Dash's stores through set_props, only when it changed.
 * A loop of our own polls: a callback bound to an interval would drop every answer slower than its period. */
(function () {
  "use strict";
  const xd = (window.xd = window.xd || {});
  const POLL_MS = 1000, TIMEOUT_MS = 4000, SLOWEST_MS = 5000;

  xd.state = { route: null, view: { file: "latest", q: null }, live: null, current: null, lost: null, offset: 0, pin: null };
  xd.listeners = { live: [], current: [], view: [], lost: [], tick: [] };
  xd.on = (name, fn) => xd.listeners[name].push(fn);
  const emit = (name) => xd.listeners[name].forEach((fn) => { try { fn(xd.state); } catch (err) { console.error(err); } });
  const store = (id, data) => window.dash_clientside.set_props(id, { data });
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

  xd.prefix = () => xd.config.prefix.replace(/\/$/, "");
  xd.url = (path) => xd.prefix() + path;
  xd.now = () => Date.now() + xd.state.offset;

  /* ---- URL <-> view -------------------------------------------------------------------------------------- */
  const wholeNumbers = (text) => [...new Set((text || "").split(",").map((s) => s.trim())
    .filter((s) => /^[0-9]{1,15}$/.test(s)).map(Number).filter((n) => n > 0))];

  const names = (text) => [...new Set((text || "").split(",").map((s) => s.trim().slice(0, 200)))].filter((s) => s && s !== "latest");

  xd.parseView = (query) => {
    const files = names(query.file).slice(0, 200), q = wholeNumbers(query.q);
    return { file: files.length ? files : "latest", q: q.length ? q : null };
  };
  /* A link names the version of each file that its maker saw, so that it can say when that was replaced. */
  const SHORT = 8;
  const linked = {};                // public name -> version in the address, or the one that was chosen
  const readVersions = (query) => {
    const files = names(query.file), versions = (query.v || "").split(",");
    files.forEach((name, i) => { if (/^[0-9a-f]{4,32}$/.test(versions[i] || "")) linked[name] = versions[i]; });
  };
  const versionOf = (name) => {
    if (!linked[name]) {
      const row = (xd.state.live && (xd.state.live.pinned || []).find((f) => f.ref === name)) || (xd.rows && xd.rows.get(name));
      if (row && row.version) linked[name] = row.version.slice(0, SHORT);
    }
    return linked[name] || "";
  };
  xd.viewQuery = (view) => {
    const query = { file: view.file === "latest" ? "latest" : view.file.join(",") };
    if (view.file !== "latest") {
      const versions = view.file.map(versionOf);
      if (versions.some(Boolean)) query.v = versions.join(",");
    }
    if (view.q && view.q.length) query.q = view.q.join(",");
    return query;
  };
  xd.encode = (query) => Object.entries(query)
    .map(([k, v]) => encodeURIComponent(k) + "=" + encodeURIComponent(v).replace(/%2C/g, ",")).join("&");
  const readUrl = (address) => {
    const url = new URL(address.href);
    const path = url.pathname.startsWith(xd.prefix()) ? url.pathname.slice(xd.prefix().length) : url.pathname;
    return { path: "/" + path.replace(/^\/+|\/+$/g, ""), query: Object.fromEntries(url.searchParams) };
  };
  const pageParams = (query) => Object.fromEntries(Object.entries(query).filter(([k]) => !["file", "v", "q", "kiosk"].includes(k)));

  xd.href = (path, params) => {
    const query = { ...xd.viewQuery(xd.state.view), ...(params || {}) };
    if (xd.kiosk()) query.kiosk = "1";
    return xd.url(path) + "?" + xd.encode(query);
  };
  const writeUrl = () => {
    const { path, query } = xd.state.route;
    window.history.replaceState(null, "", xd.href(path, pageParams(query)));
  };

  /* ---- pages --------------------------------------------------------------------------------------------- */
  const remembered = {};            // page -> its parameters when it was left
  const show = (route, fromHistory) => {
    const old = xd.state.route;
    if (old) remembered[old.path] = pageParams(old.query);
    xd.state.route = route;
    const asked = xd.parseView(route.query);
    readVersions(route.query);
    if (fromHistory || "file" in route.query || "q" in route.query) {
      const view = { file: "file" in route.query || fromHistory ? asked.file : xd.state.view.file,
                     q: "q" in route.query || fromHistory ? asked.q : xd.state.view.q };
      setView(view, true);
    }
    if ("kiosk" in route.query) document.documentElement.dataset.kiosk = route.query.kiosk === "1" ? "1" : "0";
    store("shell-route", route);
    markRail(route.path);
    title();
  };
  const markRail = (path) => {
    document.documentElement.dataset.page = path;
    document.querySelectorAll(".xd-rail a").forEach((a) => {
      if (a.dataset.path === path) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
    });
  };
  xd.go = (path, params) => {
    const given = params || remembered[path] || {};
    const query = { ...given };
    if (xd.kiosk()) query.kiosk = "1";
    show({ path, query }, false);
    window.history.pushState(null, "", xd.href(path, pageParams(query)));
  };
  const onClick = (event) => {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const a = event.target.closest("a[href]");
    if (!a || a.target || a.hasAttribute("download")) return;
    const url = new URL(a.href);
    if (url.origin !== window.location.origin || !(url.pathname + "/").startsWith(xd.prefix() + "/")) return;
    const { path, query } = readUrl(url);
    if (!(path in xd.config.pages)) return;
    event.preventDefault();
    event.stopPropagation();       // dcc.Link would push the address a second time
    readVersions(query);
    if ("file" in query || "q" in query) {
      setView({ file: "file" in query ? xd.parseView(query).file : xd.state.view.file,
                q: "q" in query ? xd.parseView(query).q : xd.state.view.q }, true);
    }
    xd.go(path, url.search ? pageParams(query) : undefined);
  };

  /* ---- what is selected ---------------------------------------------------------------------------------- */
  const setView = (view, quiet) => {
    const files = view.file === "latest" || !view.file || !view.file.length ? "latest" : view.file;
    const next = { file: files, q: view.q && view.q.length ? view.q : null };
    if (same(next, xd.state.view)) return;
    if (!same(next.file, xd.state.view.file)) pin(next.file);
    xd.state.view = next;
    store("shell-view", next);
    emit("view");
    if (!quiet && xd.state.route) writeUrl();
    resolve();
    if (next.file !== "latest") soon();
  };
  xd.select = (wanted) => {
    if (!wanted) return;
    const view = { ...xd.state.view };
    if ("file" in wanted && wanted.file !== null) view.file = wanted.file;
    if ("q" in wanted) view.q = wanted.q;
    setView(view);
  };
  /* Since when something is pinned: survives a reload of this tab, so that "n new" goes on counting. */
  const pin = (files) => {
    if (files === "latest") { xd.state.pin = null; sessionStorage.removeItem("xd-pin"); return; }
    const live = xd.state.live, since = live && live.newest ? live.newest.t : null;
    const before = JSON.parse(sessionStorage.getItem("xd-pin") || "null");
    if (xd.state.pin && xd.state.pin.since !== null) xd.state.pin = { files, since: xd.state.pin.since };
    else if (since === null && before && same(before.files, files)) xd.state.pin = before;
    else xd.state.pin = { files, since };
    sessionStorage.setItem("xd-pin", JSON.stringify(xd.state.pin));
  };

  const resolve = () => {
    const { view, live } = xd.state;
    if (!live) return;
    let files, missing = [];
    if (view.file === "latest") files = live.newest ? [{ ref: live.newest.ref, key: live.newest.key }] : [];
    else {
      const known = Object.fromEntries((live.pinned || []).map((f) => [f.asked, f]));
      const found = view.file.map((name) => known[name] || (xd.rows && xd.rows.get(name)));
      if (found.some((f) => f === undefined)) return;        // the next answer knows them
      missing = found.filter((f) => f.error).map((f) => f.error);
      files = found.filter((f) => !f.error).map((f) => ({ ref: f.ref, key: f.key }));
      const named = found.map((f, i) => (f.error ? view.file[i] : f.ref));
      if (!same(named, view.file)) {                          // a name that was typed, or an old number
        named.forEach((ref, i) => { if (linked[view.file[i]]) linked[ref] = linked[view.file[i]]; });
        setView({ file: [...new Set(named)], q: view.q });
        return;
      }
    }
    replaced();
    const next = { files, follow: view.file === "latest", q: view.q, n_new: 0, missing };
    if (files.length) missing.forEach((sentence) => { if (!xd.said.has(sentence)) { xd.said.add(sentence); xd.toast(sentence, "alarm"); } });
    if (same(next, xd.state.current)) return;
    xd.state.current = next;
    store("shell-current", next);
    emit("current");
    title();
  };
  xd.said = new Set();
  /* Files on the screen that are no longer what their link, or the choice, meant. */
  const replaced = () => {
    const { view, live } = xd.state;
    const changed = view.file === "latest" ? [] : (live.pinned || []).filter((f) => {
      const seen = f.ref && linked[f.ref];
      return seen && f.version && !f.version.startsWith(seen);
    });
    const sentence = changed.length ? changed.map((f) => f.name).join(", ") +
      (changed.length > 1 ? " have" : " has") + " been replaced since this link was made or the file was chosen: what is shown is the present version." : "";
    const box = document.getElementById("shell-notice"), text = document.getElementById("shell-notice-text");
    if (!box || !text || text.textContent === sentence) return;
    text.textContent = sentence;
    box.hidden = !sentence;
  };
  xd.acceptReplaced = () => {
    (xd.state.live.pinned || []).forEach((f) => { if (f.ref && f.version) linked[f.ref] = f.version.slice(0, SHORT); });
    replaced();
    writeUrl();
  };
  const title = xd.title = () => {
    const { current, live, route } = xd.state;
    const page = route && xd.config.pages[route.path] ? xd.config.pages[route.path].name : "";
    let name = "";
    if (current && current.files.length) {
      const ref = current.files[0].ref, row = xd.rows && xd.rows.get(ref);
      name = row ? row.name : live && live.newest && live.newest.ref === ref ? live.newest.name : "";
    }
    document.title = [name, page, "xpcs-dash"].filter(Boolean).join(" · ");
  };

  /* ---- the poll ------------------------------------------------------------------------------------------ */
  let timer = null, running = false, again = false, failures = 0, firstFailure = 0;
  const soon = () => { if (running) again = true; else { clearTimeout(timer); timer = setTimeout(poll, 0); } };
  xd.poll = soon;
  const poll = async () => {
    running = true; again = false;
    const { view, pin: pinned } = xd.state;
    const asked = view.file === "latest" ? [] : view.file;
    const query = {};
    if (asked.length) query.refs = asked.join(",");
    if (pinned && pinned.since !== null) query.after = pinned.since;
    const stop = new AbortController(), limit = setTimeout(() => stop.abort(), TIMEOUT_MS), sent = Date.now();
    try {
      const answer = await fetch(xd.url("/api/revision") + "?" + xd.encode(query), { signal: stop.signal, cache: "no-store" });
      if (!answer.ok) throw new Error("HTTP " + answer.status);
      const live = await answer.json(), back = Date.now();
      xd.state.offset = live.server_time * 1000 - (sent + back) / 2;
      found();
      accept(live, asked);
    } catch (err) { failed(); }
    clearTimeout(limit);
    running = false;
    timer = setTimeout(poll, again ? 0 : failures ? Math.min(SLOWEST_MS, POLL_MS * failures) : POLL_MS);
  };
  const accept = (live, asked) => {
    const time = live.server_time;
    delete live.server_time;
    live.asked = asked;
    const changed = !same(live, xd.state.live), moved = !xd.state.live || live.revision !== xd.state.live.revision;
    if (xd.state.pin && xd.state.pin.since === null) {
      xd.state.pin.since = live.newest ? live.newest.t : 0;
      sessionStorage.setItem("xd-pin", JSON.stringify(xd.state.pin));
    }
    xd.state.live = live;
    if (changed) { store("shell-live", { ...live, server_time: time }); emit("live"); }
    if (moved && xd.syncRows) xd.syncRows();
    resolve();
    if (changed && xd.state.route && asked.length && !/[?&]v=/.test(window.location.search)) writeUrl();
  };
  const failed = () => {
    failures += 1;
    if (failures === 1) firstFailure = Date.now();       // one lost request is no lost connection
    else if (xd.state.lost === null) { xd.state.lost = firstFailure; emit("lost"); }
  };
  const found = () => {
    failures = 0;
    if (xd.state.lost !== null) {
      const gone = Math.round((Date.now() - xd.state.lost) / 1000);
      xd.state.lost = null;
      emit("lost");
      xd.toast("Connection found again after " + gone + " s.", "ok");
    }
  };

  /* An answer may come after its page has been left. Dash ignores most of it, but fails on a change of a figure
   * that is no longer there: take such changes out. */
  xd.dropStale = (response) => {
    if (xd.fetchPictures) xd.fetchPictures(response);
    Object.entries(response || {}).forEach(([id, props]) => {
      const patched = props && typeof props === "object" && Object.keys(props).filter((p) => props[p] && props[p].__dash_patch_update);
      if (!patched || !patched.length) return;
      let known;
      try { known = window.dash_component_api.getLayout(id.startsWith("{") ? JSON.parse(id) : id); } catch (err) { known = null; }
      patched.forEach((p) => { if (!known || known.props[p] === undefined) delete props[p]; });
    });
  };

  xd.kiosk = () => document.documentElement.dataset.kiosk === "1";

  xd.post = async (path, body) => {
    const answer = await fetch(xd.url(path), { method: "POST", headers: { "Content-Type": "application/json" },
                                               body: JSON.stringify(body || {}) });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(said.error || "The server answered " + answer.status + ".");
    return said;
  };

  /* ---- called by Dash ------------------------------------------------------------------------------------ */
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.shell = {
    boot: (config) => {
      if (xd.config) return window.dash_clientside.no_update;
      xd.config = config;
      document.addEventListener("click", onClick, true);
      window.addEventListener("popstate", () => show(readUrl(window.location), true));
      document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
      window.addEventListener("online", soon);
      if (xd.startUi) xd.startUi();
      const route = readUrl(window.location);
      xd.state.route = route;
      xd.state.view = xd.parseView(route.query);
      readVersions(route.query);
      if (xd.state.view.file !== "latest") {
        const before = JSON.parse(sessionStorage.getItem("xd-pin") || "null");
        xd.state.pin = before && same(before.files, xd.state.view.file) ? before : { files: xd.state.view.file, since: null };
      }
      store("shell-view", xd.state.view);
      emit("view");
      markRail(route.path);
      writeUrl();
      soon();
      return route;
    },
    select: (wanted) => { xd.select(wanted); },
    /* A control that the URL keeps was changed: only those that a person changed, or that the URL held, are written. */
    params: () => {
      const route = xd.state.route, page = route && xd.config.pages[route.path];
      if (!page) return;
      window.dash_clientside.callback_context.triggered.forEach(({ prop_id, value }) => {
        const dot = prop_id.lastIndexOf("."), id = prop_id.slice(0, dot), prop = prop_id.slice(dot + 1);
        const name = Object.keys(page.params).find((k) => page.params[k][0] === id && page.params[k][1] === prop);
        if (!name) return;
        if (value === null || value === undefined || value === "") delete route.query[name];
        else route.query[name] = typeof value === "boolean" ? (value ? "1" : "0") : Array.isArray(value) ? value.join(",") : String(value);
      });
      writeUrl();
    },
    toast: (data) => { if (data && xd.toast) xd.toast(data.text, data.kind); },
  };
})();
