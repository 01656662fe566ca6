// Scores of the maps for this one image: which of them to believe.

import { element, fill } from "../live/elements.js";
import { shortNumber } from "../live/numbers.js";
import { isSuperseded } from "../server.js";
import { requestOf } from "../store.js";

/** The section with its button. A new stroke ends the scoring. */
export function scoreSection(store, session, server) {
  const status = element("p", { role: "status", class: "hint" }, "Not measured yet: it takes some seconds.");
  const bar = element("progress", { max: 1, value: 0, "aria-label": "Progress of the scores" });
  const head = element("thead");
  const body = element("tbody");
  const shown = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Scores of the maps", hidden: true },
    element("table", {}, element("caption", {}, "One image decides nothing between methods; ↑ means that higher is better."), head, body));
  const button = element("button", { type: "button", onclick: measure }, "Score the maps");
  let ending = new AbortController();

  async function measure() {
    const scored = session.methods.filter(({ name, is_scored: isScored }) => isScored && store.state.methods.includes(name));
    button.disabled = true;
    ending = new AbortController();
    const asked = { ...requestOf(store.state), methods: scored.map(({ name }) => name) };
    try {
      const last = await server.stream("/api/scores", asked, { line: hear, signal: ending.signal });
      if (last?.type === "result") show(last);
    } catch (error) {
      status.textContent = isSuperseded(error) ? "Cancelled: the image or what is asked of it changed." : error.message;
    } finally {
      button.disabled = false;
    }
  }

  function hear(event) {
    if (event.type === "progress") {
      if (event.total) bar.value = event.done / event.total;
      status.textContent = `${event.done}${event.total ? ` of ${event.total}` : ""} ${event.what}`;
    } else if (event.type === "error") status.textContent = event.error;
    else if (event.type === "cancelled") status.textContent = `Cancelled: ${event.reason}.`;
  }

  function show({ columns, rows, seconds }) {
    bar.value = 1;
    status.textContent = `Measured in ${shortNumber(seconds)} s. Methods that do not beat the controls (random map, edges, plain gradient) have shown nothing.`;
    shown.hidden = false;
    fill(head, element("tr", {}, element("th", { scope: "col" }, "method"), ...columns.map(({ title, better, variant }) => element("th", { scope: "col" },
      `${title} ${better === "higher" ? "↑" : "↓"}`, variant ? element("span", { class: "variant" }, variant) : null))));
    fill(body, ...rows.map((row) => element("tr", { class: row.control ? "control" : null },
      element("th", { scope: "row" }, row.control ? `${row.title} (control)` : row.title),
      ...row.scores.map((score) => element("td", { class: "number" }, score === null ? "–" : shortNumber(score))))));
  }

  store.watch(["pixels", "target", "against", "settings", "seed"], () => {
    ending.abort();
    if (!shown.hidden) status.textContent = "Of what was asked before: score again.";
  });
  return element("div", {}, element("div", { class: "buttons" }, button, bar), status, shown);
}
