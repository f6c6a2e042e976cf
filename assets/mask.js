/* Mask page: drawn shapes go up as small events, forms as actions; hover and keys never ask the server. */
(function () {
  "use strict";
  const cs = (window.dash_clientside = window.dash_clientside || {});
  const LIMIT = 2400;                                // characters of a path that may go up
  const MODES = { r: "drawrect", e: "drawcircle", f: "drawclosedpath", l: "drawline", o: "drawopenpath", v: "zoom" };
  let counter = 0, settle = null, hover = null, corners = null;

  const onPage = () => document.querySelector(".xd-mask");
  const graph = () => document.querySelector("#mask-graph .js-plotly-plot");
  const base = () => (window.xd && window.xd.prefix ? window.xd.prefix() : "") + "/mask-data/";
  const send = (action) => window.dash_clientside.set_props("mask-action", { data: { ...action, n: ++counter } });
  const modeOf = () => (document.querySelector("#mask-mode input:checked") || { value: "out" }).value;
  const widthOf = () => Number((document.getElementById("mask-width") || {}).value) || 3;

  /* ---- paths: two decimals, and not more corners than the eye can tell apart ------------------------------- */
  const thin = (points, tolerance) => {
    if (points.length < 3) return points;
    const keep = new Uint8Array(points.length), stack = [[0, points.length - 1]];
    keep[0] = keep[points.length - 1] = 1;
    while (stack.length) {
      const [a, b] = stack.pop(), [x0, y0] = points[a], [x1, y1] = points[b];
      const length = Math.hypot(x1 - x0, y1 - y0) || 1e-12;
      let far = 0, at = -1;
      for (let i = a + 1; i < b; i++) {
        const d = length < 1e-9 ? Math.hypot(points[i][0] - x0, points[i][1] - y0)
          : Math.abs((points[i][0] - x0) * (y1 - y0) - (points[i][1] - y0) * (x1 - x0)) / length;
        if (d > far) { far = d; at = i; }
      }
      if (far > tolerance) { keep[at] = 1; stack.push([a, at], [at, b]); }
    }
    return points.filter((_, i) => keep[i]);
  };
  const short = (path) => {
    if (typeof path !== "string" || path.length <= 400 || !/^M[^MCQSTHVA]*$/i.test(path.replace(/e[-+]?\d/gi, "0"))) return path;
    const closed = /z\s*$/i.test(path);
    const numbers = path.match(/[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?/gi).map(Number), points = [];
    for (let i = 0; i + 1 < numbers.length; i += 2) points.push([numbers[i], numbers[i + 1]]);
    const write = (list) => "M" + list.map((p) => `${+p[0].toFixed(2)},${+p[1].toFixed(2)}`).join("L") + (closed ? "Z" : "");
    let text = write(points), tolerance = 0.1;
    while (text.length > LIMIT && tolerance < 64) { text = write(thin(points, tolerance)); tolerance *= 1.5; }
    return text;
  };
  const bare = (shape) => {
    const out = {};
    for (const key of ["type", "x0", "y0", "x1", "y1", "path", "name"])
      if (shape[key] !== undefined && shape[key] !== null) out[key] = typeof shape[key] === "number" ? +shape[key].toFixed(3) : shape[key];
    if (out.path) out.path = short(out.path);
    return out;
  };

  /* ---- what Plotly says about shapes ------------------------------------------------------------------------ */
  let known = new Map();                             // name -> text of the shape as the server has it
  const remember = (gd) => {
    known = new Map();
    for (const s of (gd.layout && gd.layout.shapes) || []) if (s.name) known.set(s.name, JSON.stringify(bare(s)));
  };
  const onRelayout = (event) => {
    const gd = graph();
    if (!gd || !event) return;
    const out = {}, names = {};
    if (event.shapes) {
      const seen = new Set();
      out.shapes = event.shapes.filter((s) => s && (s.type || s.path)).map((s) => {
        const b = bare(s), text = JSON.stringify(b);
        if (b.name && seen.has(b.name)) delete b.name;
        if (b.name) seen.add(b.name);
        return b.name && known.get(b.name) === text ? { name: b.name } : b;
      });
      if (out.shapes.length === known.size && out.shapes.every((s) => !s.type)) return;   // our own repaint
    } else {
      for (const [key, value] of Object.entries(event)) {
        const m = /^shapes\[(\d+)\]\.(x0|y0|x1|y1|path)$/.exec(key);
        if (!m) continue;
        out[key] = m[2] === "path" ? short(value) : +Number(value).toFixed(3);
        const s = (gd.layout.shapes || [])[m[1]];
        if (s && s.name) names[m[1]] = s.name;
      }
      if (!Object.keys(out).length) return;
      if (Object.keys(names).length) out.names = names;
    }
    send({ act: "draw", event: out, mode: modeOf(), width: widthOf() });
  };

  /* ---- hover -------------------------------------------------------------------------------------------------- */
  const fetched = async (name, kind) => {
    const got = await fetch(base() + name);
    if (!got.ok) throw new Error(`${got.status} ${name}`);
    if (kind === "json") return got.json();
    const type = got.headers.get("X-Array"), body = await got.arrayBuffer();
    return type === "<u4" ? new Uint32Array(body) : type === "<u2" && kind === "labels" ? new Uint16Array(body) : new Uint8Array(body);
  };
  const load = (state) => {
    if (!state || !state.src) { hover = null; return; }
    const key = state.src + ":" + (state.rev || 0);
    if (hover && hover.key === key) return;
    const same = hover && hover.src === state.src ? hover : { src: state.src };
    const next = (hover = { ...same, key, fresh: false });
    next.refresh = () => {                            // asked for when somebody points, not while drawing
      if (next.fresh) return;
      next.fresh = true;
      fetched("meta.json", "json").then((m) => { next.meta = m; }).catch(() => {});
      if (!next.intensity) fetched("intensity.bin?k=" + state.src).then((b) => { next.intensity = b; }).catch(() => {});
      if (state.geometry) for (const which of ["dynamic", "static"])
        fetched(which + ".bin?k=" + key, "labels").then((b) => { next[which] = b; }).catch(() => { next[which] = null; });
    };
  };
  const DEG = 180 / Math.PI;
  const ray = (g, col, row) => {
    const a = (col - g.bcx) * g.pixel, d = (row - g.bcy) * g.pixel, L = g.distance;
    if (g.mode === "reflection") {
      const side = { north: [-d, a], west: [-a, -d], south: [d, -a], east: [a, d] }[g.orientation], [v, h] = side;
      const n = Math.hypot(v, h, L), ai = g.incidence / DEG, sf = (v * Math.cos(ai) - L * Math.sin(ai)) / n, cf = Math.sqrt(1 - sf * sf);
      const t = Math.atan2(h, L * Math.cos(ai) + v * Math.sin(ai));
      const qx = g.k0 * (cf * Math.cos(t) - Math.cos(ai)), qy = g.k0 * cf * Math.sin(t), qz = g.k0 * (Math.sin(ai) + sf);
      return { q: Math.hypot(qx, qy, qz), phi: Math.atan2(v, h) * DEG };
    }
    const r = g.rotation, x = r[0] * a + r[1] * d + r[2] * L, y = r[3] * a + r[4] * d + r[5] * L, z = r[6] * a + r[7] * d + r[8] * L;
    const alpha = Math.atan2(Math.hypot(x, y), z);
    return { q: g.k0 * (g.legacy_q ? Math.sin(alpha) : 2 * Math.sin(alpha / 2)), phi: Math.atan2(-y, x) * DEG };
  };
  const readout = (x, y) => {
    if (!hover) return "";
    hover.refresh();
    const m = hover.meta;
    if (!m) return "";
    const col = Math.round(x), row = Math.round(y), [rows, cols] = m.shape;
    if (col < 0 || row < 0 || col >= cols || row >= rows) return "";
    const k = row * cols + col, parts = [`x ${col} px`, `y ${row} px`];
    if (hover.intensity) {
      const code = hover.intensity[k] + 256 * hover.intensity[rows * cols + k], how = m.intensity;
      const v = how.kind === "counts" ? code * how.scale : code === 0 ? 0 : Math.exp(how.offset + (code - 1) * how.scale);
      parts.push(`I ${v === 0 ? 0 : v.toPrecision(4)} /px/frame`);
    }
    if (m.geometry) {
      const p = ray(m.geometry, col, row);
      parts.push(`q ${p.q.toPrecision(5)} Å⁻¹`, `φ ${p.phi.toFixed(2)}°`);
    }
    for (const which of ["dynamic", "static"]) if (hover[which]) parts.push(`${which} ${hover[which][k] || "masked"}`);
    return parts.map((t) => `<span>${t}</span>`).join("");
  };
  const place = (event) => {
    const gd = event.target.closest && event.target.closest("#mask-graph") && graph();
    const layer = gd && gd.querySelector(".nsewdrag");
    if (!layer || !gd._fullLayout || !gd._fullLayout.xaxis) return null;
    const box = layer.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
    if (px < 0 || py < 0 || px > box.width || py > box.height) return null;
    return { gd, box, px, py, x: gd._fullLayout.xaxis.p2c(px), y: gd._fullLayout.yaxis.p2c(py) };
  };
  let waiting = false;
  document.addEventListener("pointermove", (event) => {
    if (waiting || !onPage()) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const at = place(event), out = document.getElementById("mask-readout");
      if (at && corners) rubber(at);
      if (!at || !out) return;
      const text = readout(at.x, at.y);
      if (text) { out.innerHTML = text; out.dataset.filled = "1"; }
    });
  });

  /* ---- polygons by clicking corners ---------------------------------------------------------------------------- */
  const rubber = (at) => {
    const { xaxis, yaxis } = at.gd._fullLayout;
    const points = [...corners.list, [at.x, at.y]].map(([x, y]) => `${xaxis.c2p(x)},${yaxis.c2p(y)}`).join(" ");
    Object.assign(corners.svg.style, { left: at.box.left + "px", top: at.box.top + "px", width: at.box.width + "px", height: at.box.height + "px" });
    corners.svg.firstChild.setAttribute("points", points);
  };
  const polygon = (on) => {
    if (corners) corners.svg.remove();
    corners = null;
    const button = document.getElementById("mask-polygon"), holder = document.getElementById("mask-graph");
    if (button) button.classList.toggle("xd-btn-on", on);
    if (holder) holder.classList.toggle("xd-drawing", on);
    if (!on) return;
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "xd-mask-rubber");
    svg.innerHTML = "<polygon/>";
    document.body.appendChild(svg);
    corners = { list: [], svg };
  };
  const close = () => {
    const list = corners ? corners.list : [];
    polygon(false);
    if (list.length >= 3) send({ act: "polygon", vertices: [list], mode: modeOf(), width: widthOf() });
  };
  document.addEventListener("pointerdown", (event) => {
    if (!corners || event.button !== 0 || !onPage()) return;
    if (place(event)) event.stopPropagation();       // no preventDefault: it would swallow the mouse events
  }, true);
  for (const name of ["mousedown", "mouseup"])
    document.addEventListener(name, (event) => {
      if (!corners || event.button !== 0 || !place(event)) return;
      event.preventDefault();
      event.stopPropagation();
      if (name !== "mousedown") return;
      const at = place(event), last = corners.list[corners.list.length - 1];
      if (event.detail > 1 && corners.list.length >= 3) { close(); return; }
      if (!last || last[0] !== at.x || last[1] !== at.y) corners.list.push([+at.x.toFixed(2), +at.y.toFixed(2)]);
      rubber(at);
    }, true);

  /* ---- forms, rows, buttons, keys -------------------------------------------------------------------------------- */
  const fieldsOf = (holder) => {
    const fields = {};
    holder.querySelectorAll("[name]").forEach((el) => {
      if (el.type === "radio" && !el.checked) return;
      fields[el.name] = el.type === "checkbox" ? el.checked : el.value;
    });
    return fields;
  };
  document.addEventListener("click", (event) => {
    const page = onPage();
    if (!page || !page.contains(event.target)) return;
    const id = (event.target.closest("button") || {}).id, tab = event.target.closest("[data-tab]");
    if (tab) {
      page.querySelectorAll("[data-tab]").forEach((t) => t.setAttribute("aria-selected", String(t === tab)));
      page.querySelectorAll("[data-pane]").forEach((p) => p.classList.toggle("xd-mask-shown", p.dataset.pane === tab.dataset.tab));
      window.dash_clientside.set_props("mask-tab", { data: tab.dataset.tab });
      window.dispatchEvent(new Event("resize"));      // graphs that were hidden take their size
      return;
    }
    if (id === "mask-undo" || id === "mask-redo" || id === "mask-clear") { send({ act: id.slice(5) }); return; }
    if (id === "mask-polygon") { polygon(!corners); return; }
    const button = event.target.closest("[data-act]");
    if (!button) return;
    event.preventDefault();                           // a button in a summary must not fold it
    const row = button.closest("[data-op]"), holder = button.closest(".xd-mask-form");
    const action = { act: button.dataset.act };
    if (row) action.id = row.dataset.op;
    if (button.dataset.kind) action.kind = button.dataset.kind;
    if ("value" in button.dataset) action.value = button.dataset.value;
    if (holder && ["edit", "add", "geometry", "partition"].includes(action.act)) action.fields = fieldsOf(holder);
    send(action);
  });
  document.addEventListener("change", (event) => {
    const el = event.target, row = el.closest && el.closest(".xd-mask-op");
    if (row && el.name === "rename") send({ act: "rename", id: row.dataset.op, value: el.value });
  });
  document.addEventListener("keydown", (event) => {
    if (!onPage()) return;
    if (event.target.closest && event.target.closest("input, textarea, select, [contenteditable]")) {
      const holder = event.key === "Enter" && event.target.tagName !== "TEXTAREA" && event.target.closest(".xd-mask-form");
      const button = holder && event.target.name !== "rename" && holder.querySelector("[data-act=edit], [data-act=add], [data-act=geometry], [data-act=partition]");
      if (button) button.click();
      return;
    }
    const key = event.key.toLowerCase();
    if ((event.ctrlKey || event.metaKey) && (key === "z" || key === "y")) {
      event.preventDefault();
      send({ act: key === "y" || event.shiftKey ? "redo" : "undo" });
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const gd = graph();
    if (!gd) return;
    if (corners && (key === "enter" || key === "escape")) {
      event.preventDefault();                         // Enter must not press the button that still has the focus
      event.stopImmediatePropagation();
      key === "enter" ? close() : polygon(false);
      return;
    }
    if (key === "p") { event.preventDefault(); event.stopImmediatePropagation(); polygon(!corners); return; }
    if (key === "x" || key === "delete") { event.stopImmediatePropagation(); erase(gd); return; }
    const at = { 1: 0, 2: 1, 3: 2 }[key];
    if (at !== undefined) { const all = document.querySelectorAll("#mask-mode input"); if (all[at]) all[at].click(); return; }
    if (!MODES[key]) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (corners) polygon(false);
    window.Plotly.relayout(gd, { dragmode: MODES[key] });
    pick(gd);
  }, true);
  const erase = (gd) => {
    const active = gd._fullLayout && gd._fullLayout._activeShapeIndex;
    const shape = active >= 0 && ((gd.layout.shapes || [])[active] || {});
    if (shape && shape.name) send({ act: "delete", id: shape.name });
  };

  // a shape can be taken by its inside, except while something is being drawn, which may begin inside a shape
  const pick = (gd) => {
    const holder = document.getElementById("mask-graph");
    if (holder) holder.classList.toggle("xd-mask-pick", !/^draw/.test(gd._fullLayout.dragmode));
  };

  /* ---- the graph comes and goes ------------------------------------------------------------------------------------ */
  const hook = (gd) => {
    if (gd._xdMask) return;
    gd._xdMask = true;
    remember(gd);
    gd.on("plotly_relayout", onRelayout);
    gd.on("plotly_afterplot", () => { if (!corners) remember(gd); pick(gd); });
    pick(gd);
  };
  // an answer to a drawing: overlay and count first, the rest of the page after the frame that shows them
  let queue = Promise.resolve();
  const frame = () => new Promise((done) => { requestAnimationFrame(() => setTimeout(done, 0)); setTimeout(done, 200); });
  const show = async (made) => {
    const layers = [...document.querySelectorAll("#mask-graph .js-plotly-plot image")];
    const layer = layers.find((i) => i.href.baseVal.includes("/overlay.png"));
    if (made.overlay && layer) {
      const image = new Image();
      image.src = made.overlay;
      await image.decode().catch(() => {});
      layer.setAttributeNS("http://www.w3.org/1999/xlink", "xlink:href", made.overlay);
      layer._imgSrc = made.overlay;                    // as Plotly notes what an image shows
      window.dash_clientside.set_props("mask-count", { children: made.count });
      await frame();
    }
    window.dash_clientside.set_props("mask-state", { data: made.state });
  };
  cs.mask = {
    drawn: (made) => {
      if (made) queue = queue.then(() => show(made)).catch((err) => console.error(err));
      return window.dash_clientside.no_update;
    },
    attach: (state) => {
      load(state);
      if (state && state.compare) window.dash_clientside.set_props("mask-compared", { data: { other: "version:" + state.compare } });
      if (state && state.forms) window.dash_clientside.set_props("mask-refill", { data: ++counter });
      let tries = 0;
      const wait = () => { const gd = graph(); if (gd && gd.on) hook(gd); else if (tries++ < 100) setTimeout(wait, 50); };
      wait();
      clearTimeout(settle);
      const rev = state && state.rev;
      settle = setTimeout(() => {                      // the other panes ask when they are opened
        const said = document.getElementById("mask-compared-said");
        if (document.querySelector("[data-tab=partition][aria-selected=true]") || (said && said.childElementCount))
          window.dash_clientside.set_props("mask-settled", { data: { rev, n: ++counter } });
      }, 350);
      return window.dash_clientside.no_update;
    },
  };
})();
