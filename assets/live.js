/* The Live page follows the catalogue's revision, so that a fit that arrives after its file is drawn as well. */
(function () {
  "use strict";
  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    live: { tick: (live) => (live ? live.revision : window.dash_clientside.no_update) },
  });
})();
