/* Detector views: what is under the cursor at full resolution without asking the server, clicks that select
 * bins, and regions drawn on the image. Arrays are fetched once per file contents and shared by the pages. */
(function () {
  "use strict";
  const xd = (window.xd = window.xd || {});
  const KEEP = 2;                                  // file contents whose arrays stay in memory
  const sources = {};                              // graph id -> {id, token, draw}
  const kept = new Map();                          // token -> {meta, labels, dynamic, intensity}
  const READOUT = { "live-detector": "live-readout", "qmap-graph": "qmap-readout", "saxs-graph": "saxs-readout", "twotime-map": "twotime-map-readout" };
  const inflight = new Map();

  const address = (source, name) => (xd.prefix ? xd.prefix() : "") + `/map/${encodeURIComponent(source.ref)}/${source.token}/${name}`;
  const fetched = async (url, kind) => {
    const got = await fetch(url);
    if (!got.ok) throw new Error(`${got.status} ${url}`);
    return kind === "json" ? got.json() : got.arrayBuffer();
  };

  /* ---- arrays -------------------------------------------------------------------------------------------- */
  const load = (source) => {
    if (kept.has(source.token)) return Promise.resolve(kept.get(source.token));
    if (inflight.has(source.token)) return inflight.get(source.token);
    const work = (async () => {
      const meta = await fetched(address(source, "meta.json"), "json");
      const data = { meta, labels: null, dynamic: null, intensity: null, asked: false };
      kept.set(source.token, data);
      while (kept.size > KEEP) kept.delete(kept.keys().next().value);
      const want = [];
      if (meta.files.static) want.push(fetched(address(source, "static.bin")).then((b) => { data.labels = new Uint16Array(b); }));
      if (meta.files.dynamic) want.push(fetched(address(source, "dynamic.bin")).then((b) => { data.dynamic = new Uint16Array(b); }));
      await Promise.all(want);
      refresh();
      return data;
    })().finally(() => inflight.delete(source.token));
    inflight.set(source.token, work);
    return work;
  };
  const loadIntensity = (source, data) => {        // half the traffic: only once somebody points at the map
    if (data.asked || !data.meta.intensity) return;
    data.asked = true;
    fetched(address(source, "intensity.bin")).then((b) => { data.intensity = new Uint8Array(b); refresh(); })
      .catch(() => { data.asked = false; });
  };

  /* ---- one pixel ----------------------------------------------------------------------------------------- */
  const pixelAt = (data, x, y) => {
    const col = Math.round(x), row = Math.round(y), [rows, cols] = data.meta.shape || [0, 0];
    if (col < 0 || row < 0 || col >= cols || row >= rows) return null;
    const k = row * cols + col, m = data.meta, out = { col, row };
    if (data.labels) out.static = data.labels[k];
    if (data.dynamic) out.dynamic = data.dynamic[k];
    else if (m.nested && data.labels) out.dynamic = m.nested[data.labels[k]];
    if (data.intensity) {
      const n = rows * cols, code = data.intensity[k] + 256 * data.intensity[n + k], how = m.intensity;
      out.i = how.kind === "counts" ? code * how.scale : code === 0 ? 0 : Math.exp(how.offset + (code - 1) * how.scale);
    }
    if (m.geometry) {
      const g = m.geometry, h = col - g.bcx, v = row - g.bcy;
      out.q = g.k0 * Math.sin(Math.atan((g.pixel * Math.hypot(h, v)) / g.distance));
      out.phi = (-Math.atan2(v, h) * 180) / Math.PI;
    }
    return out;
  };
  const SUP = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
  const number = (v, digits) => {
    if (v === 0) return "0";
    if (Math.abs(v) >= 0.01 && Math.abs(v) < 1e4) return v.toPrecision(digits);
    const e = 3 * Math.floor(Math.log10(Math.abs(v)) / 3);
    return (v / 10 ** e).toPrecision(digits) + "·10" + String(e).replace(/[-0-9]/g, (c) => SUP[c]);
  };
  const text = (data, p) => {
    if (!p) return "";
    const parts = [`x ${p.col} px`, `y ${p.row} px`];
    parts.push(p.i === undefined ? "I …" : `I ${number(p.i, 4)} /px/frame`);
    if (p.q !== undefined) parts.push(`q ${number(p.q, 5)} ${data.meta.q_unit}`, `φ ${p.phi.toFixed(2)}°`);
    const bin = (label, table) => (label === 0 ? "masked" : table ? `${label} (${number(table.q[label - 1], 4)})` : label);
    if (p.dynamic !== undefined) parts.push(`dynamic ${bin(p.dynamic, data.meta.dynamic)}`);
    if (p.static !== undefined) parts.push(`static ${bin(p.static, data.meta.static)}`);
    return parts.map((s) => `<span>${s}</span>`).join("");
  };

  /* ---- where the pointer is ------------------------------------------------------------------------------ */
  const place = (event) => {
    const holder = event.target.closest && event.target.closest("#live-detector, #qmap-graph, #saxs-graph, #twotime-map");
    const gd = holder && holder.querySelector(".js-plotly-plot");
    const layer = gd && gd.querySelector(".nsewdrag");
    if (!layer || !gd._fullLayout || !gd._fullLayout.xaxis) return null;
    const box = layer.getBoundingClientRect();
    const px = event.clientX - box.left, py = event.clientY - box.top;
    if (px < 0 || py < 0 || px > box.width || py > box.height) return null;
    const { xaxis, yaxis } = gd._fullLayout;
    return { id: holder.id, holder, gd, box, x: xaxis.p2c(px), y: yaxis.p2c(py), xaxis, yaxis };
  };
  let waiting = null, last = null;                 // last: where the pointer was, for data that arrive later
  const refresh = () => {
    const source = last && sources[last.id], data = source && kept.get(source.token);
    const out = data && document.getElementById(READOUT[last.id]);
    if (out) { out.innerHTML = text(data, pixelAt(data, last.x, last.y)); out.dataset.filled = "1"; }
  };
  const onMove = (event) => {
    if (drawing) { stretch(event); return; }
    if (waiting) return;
    waiting = requestAnimationFrame(() => {
      waiting = null;
      const at = place(event), source = at && sources[at.id], data = source && kept.get(source.token);
      if (source) last = { id: at.id, x: at.x, y: at.y };
      if (!data) { if (source) load(source).then(refresh, () => {}); return; }
      loadIntensity(source, data);
      refresh();
    });
  };

  /* ---- clicks select bins -------------------------------------------------------------------------------- */
  let pressed = null, drawing = null;
  const onDown = (event) => {
    if (event.button !== 0) return;
    const at = place(event);
    if (!at) return;
    if (at.id === "saxs-graph" && sources[at.id] && sources[at.id].draw !== "none") { begin(event, at); return; }
    pressed = { x: event.clientX, y: event.clientY, id: at.id };
  };
  const onUp = (event) => {
    if (drawing) { finish(event); return; }
    const from = pressed;
    pressed = null;
    if (!from || Math.hypot(event.clientX - from.x, event.clientY - from.y) > 4) return;
    const holder = document.getElementById(from.id);
    const gd = holder && holder.querySelector(".js-plotly-plot"), layer = gd && gd.querySelector(".nsewdrag");
    const source = sources[from.id], data = source && kept.get(source.token);
    if (!layer || !data) return;
    const box = layer.getBoundingClientRect();
    const { xaxis, yaxis } = gd._fullLayout;
    const p = pixelAt(data, xaxis.p2c(event.clientX - box.left), yaxis.p2c(event.clientY - box.top));
    if (!p || !p.dynamic) return;
    const now = (xd.state && xd.state.view && xd.state.view.q) || [];
    let q = [p.dynamic];
    if (event.shiftKey || event.ctrlKey || event.metaKey)
      q = now.includes(p.dynamic) ? now.filter((k) => k !== p.dynamic) : [...now, p.dynamic].sort((a, b) => a - b);
    window.dash_clientside.set_props("shell-select", { data: { q: q.length ? q : null } });
  };

  /* ---- rings and sectors ---------------------------------------------------------------------------------- */
  const polar = (at, event) => {
    const g = kept.get(sources["saxs-graph"].token).meta.geometry;
    const x = at.xaxis.p2c(event.clientX - at.box.left) - g.bcx, y = at.yaxis.p2c(event.clientY - at.box.top) - g.bcy;
    return { r: Math.hypot(x, y), phi: (-Math.atan2(y, x) * 180) / Math.PI };
  };
  const begin = (event, at) => {
    const data = kept.get(sources[at.id].token);
    if (!data || !data.meta.geometry) return;
    event.preventDefault();
    event.stopPropagation();
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "xd-region");
    Object.assign(svg.style, { left: at.box.left + "px", top: at.box.top + "px", width: at.box.width + "px", height: at.box.height + "px" });
    svg.innerHTML = "<path/>";
    document.body.appendChild(svg);
    drawing = { at, from: polar(at, event), svg, kind: sources[at.id].draw, g: data.meta.geometry, region: null };
  };
  const around = (from, to) => {                   // the short way round, counter-clockwise
    let d = (((to - from) % 360) + 360) % 360;
    return d > 180 ? [to, from] : [from, to];
  };
  const stretch = (event) => {
    const d = drawing, to = polar(d.at, event);
    const [r0, r1] = [Math.min(d.from.r, to.r), Math.max(d.from.r, to.r)];
    const [p0, p1] = d.kind === "ring" ? [-180, 180] : around(d.from.phi, to.phi);
    d.region = [r0, r1, p0, p1];
    const span = d.kind === "ring" ? 360 : ((p1 - p0) % 360 + 360) % 360, n = Math.max(8, Math.ceil(span / 3));
    const spot = (r, a) => {
      const x = d.g.bcx + r * Math.cos(a), y = d.g.bcy - r * Math.sin(a);
      return `${d.at.xaxis.c2p(x).toFixed(1)},${d.at.yaxis.c2p(y).toFixed(1)}`;
    };
    const angles = Array.from({ length: n + 1 }, (_, i) => ((p0 + (span * i) / n) * Math.PI) / 180);
    const outer = angles.map((a) => spot(r1, a)), inner = angles.slice().reverse().map((a) => spot(r0, a));
    const path = d.kind === "ring" ? `M${outer.join("L")}Z M${inner.join("L")}Z` : `M${outer.concat(inner).join("L")}Z`;
    d.svg.firstChild.setAttribute("d", path);
  };
  const finish = () => {
    const d = drawing;
    drawing = null;
    d.svg.remove();
    if (!d.region || d.region[1] - d.region[0] < 1) return;
    const value = d.region.map((v) => v.toFixed(1)).join(", ");
    window.dash_clientside.set_props("saxs-region", { value });
  };

  document.addEventListener("pointermove", onMove, { passive: true });
  document.addEventListener("pointerdown", onDown, true);
  document.addEventListener("pointerup", onUp, true);
  document.addEventListener("mousedown", (event) => { if (drawing) { event.preventDefault(); event.stopPropagation(); } }, true);

  /* ---- called by the pages --------------------------------------------------------------------------------- */
  const attach = (id, source) => {
    if (!source || !source.token) return window.dash_clientside.no_update;
    sources[id] = { draw: "none", ...source };
    // the arrays for the cursor wait until the picture is drawn: they need the same two processors
    const later = window.requestIdleCallback || ((run) => setTimeout(run, 200));
    later(() => load(sources[id]).catch((err) => console.warn("views:", err.message)), { timeout: 1000 });
    return source.token;
  };
  /* Pictures of a figure are asked for when its description arrives, not when Plotly has come to drawing them. */
  xd.fetchPictures = (response) => {
    Object.entries(response || {}).forEach(([id, props]) => {
      if (id === "shell-page" && props.children)
        [...JSON.stringify(props.children).matchAll(/"source":"(\/[^"]+?\.png[^"]*)"/g)].forEach((m) => { new Image().src = m[1]; });
      const figure = props && props.figure, steps = (figure && figure.operations) || [];
      const found = steps.filter((s) => (s.location || []).join() === "layout,images").map((s) => (s.params || {}).value)
        .concat(figure && figure.layout ? [figure.layout.images] : []);
      found.flat().forEach((picture) => {
        if (picture && typeof picture.source === "string" && picture.source.startsWith("/")) new Image().src = picture.source;
      });
    });
  };
  xd.views = { sources, kept, pixelAt };
  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    views: {
      // the Live page follows every file: its arrays are fetched when somebody points at the image
      attachLive: (source) => { if (source) sources["live-detector"] = { draw: "none", ...source }; return source ? source.token : null; },
      attachMap: (source) => attach("qmap-graph", source),
      attachSaxs: (source) => attach("saxs-graph", source),
      zoomed: (event, before) => {
        const keep = window.dash_clientside.no_update, e = event || {};
        if (e["xaxis.autorange"] || e["yaxis.autorange"]) return before ? null : keep;
        const names = ["xaxis.range[0]", "xaxis.range[1]", "yaxis.range[0]", "yaxis.range[1]"];
        if (!names.every((name) => Number.isFinite(e[name]))) return keep;
        const now = names.map((name) => e[name]);
        return JSON.stringify(now) === JSON.stringify(before) ? keep : now;
      },
      attachTwotime: (source) => attach("twotime-map", source),
    },
  });
})();
