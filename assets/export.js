/* Export menus. For paper and as numbers: the server makes the file. As shown: Plotly saves the graph as it stands.
 * Both carry the file, the view and the q-bins in their name. */
(function () {
  "use strict";
  const xd = (window.xd = window.xd || {});

  const selected = () => {
    const current = xd.state.current;
    const ref = current && current.files.length ? current.files[0].ref : null;
    const row = ref !== null && xd.rows ? xd.rows.get(ref) : null;
    return { ref, name: row ? row.name : "xpcs-dash", q: (current && current.q) || [] };
  };

  const asShown = (entry, file) => {
    const graph = document.querySelector("#" + entry.dataset.graph + " .js-plotly-plot");
    if (!graph) return;
    const size = graph.getBoundingClientRect();
    const parts = [file.name, entry.dataset.view].concat(file.q.length ? ["q" + file.q.join("-")] : []);
    window.Plotly.downloadImage(graph, {
      format: entry.dataset.format, filename: parts.join("_"),
      width: Math.round(size.width), height: Math.round(size.height), scale: entry.dataset.format === "png" ? 2 : 1,
    });
  };

  // the name that a server gives a download: the extended one (RFC 8187) holds it as it is, the plain one in ASCII
  xd.savedAs = (disposition, otherwise) => {
    const extended = (disposition || "").match(/filename\*=UTF-8''([^;]+)/i);
    if (extended) try { return decodeURIComponent(extended[1]); } catch (err) { /* the plain one is left */ }
    return ((disposition || "").match(/filename="([^"]*)"/) || [])[1] || otherwise;
  };

  const forPaper = async (entry, file) => {
    if (file.ref === null) { xd.toast("There is no file to export yet.", "warning"); return; }
    const query = { url: window.location.href };
    if (file.q.length) query.q = file.q.join(",");
    // the fit that is exported is the one on the page: all that was set there stands in the address
    const here = new URLSearchParams(window.location.search);
    const settings = { fit: ["model", "sigma", "tmin", "tmax", "par"], diffusion: ["model", "q0", "q1"] };
    for (const name of settings[entry.dataset.view] || []) if (here.has(name)) query[name] = here.get(name);
    const address = "/export/" + encodeURIComponent(file.ref) + "/" + entry.dataset.view + "." + entry.dataset.format;
    xd.toast("Writing " + entry.textContent + " …", "info");
    try {
      const answer = await fetch(xd.url(address) + "?" + new URLSearchParams(query));
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await answer.blob());
      link.download = xd.savedAs(answer.headers.get("Content-Disposition"), "export." + entry.dataset.format);
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    } catch (err) { xd.toast(err.message || "The export did not arrive.", "alarm"); }
  };

  document.addEventListener("click", (event) => {
    const entry = event.target.closest(".xd-export-entry");
    if (!entry) return;
    (entry.dataset.kind === "shown" ? asShown : forPaper)(entry, selected());
    setTimeout(() => document.body.click());          // closes the menu
  });
})();
