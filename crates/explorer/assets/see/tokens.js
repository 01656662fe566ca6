// The token view of the page: attention and rollout from the last look, attention flow asked for token by token.

import { element } from "../live/elements.js";
import { tokenView } from "../live/token_view.js";
import { isSuperseded } from "../server.js";
import { imageOf } from "../store.js";

const PAUSE = 80;

/** A matrix of all tokens without its prefix tokens (a class token, say), which lie nowhere on the image. */
export function withoutPrefix(matrix, prefix, count) {
  if (prefix === 0) return Float64Array.from(matrix);
  const all = prefix + count;
  return Float64Array.from({ length: count * count }, (_, index) => matrix[(prefix + Math.floor(index / count)) * all + prefix + (index % count)]);
}

/** The section of tokens, which follows `look` of the store and asks for the flow of the token in question. */
export function tokenSection(store, session, server) {
  if (!session.gives.attention) return element("p", { class: "hint" }, "This model has no attention.");
  let [model, waiting] = [null, null];
  const view = tokenView("tokens", (chosen) => {
    store.change({ token: { ...chosen } });
    askForFlow();
  });

  function show() {
    const { look, pixels } = store.state;
    if (!look?.attention) return;
    const { grid, layers, rollout } = look.attention;
    const prefix = grid.prefix ?? 0;
    const count = grid.rows * grid.columns;
    const stripped = (matrix) => withoutPrefix(matrix, prefix, count);
    const through = [
      { name: "rollout", title: "rollout", matrix: stripped(rollout) },
      { name: "flow", title: "flow", matrix: new Float64Array(count * count).fill(NaN) },
    ];
    model = {
      image: { pixels, ...session.input }, grid: { rows: grid.rows, columns: grid.columns }, prefix, through,
      layers: layers.map(({ heads, fused }) => ({ heads: heads.map(stripped), fused: stripped(fused) })),
    };
    view.show(model);
    askForFlow();
  }

  function askForFlow() {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const asked = model;
      const { token, deviation } = view.state;
      const count = asked.grid.rows * asked.grid.columns;
      const flows = asked.through[1].matrix;
      // the mean of all rows needs all of them
      const wanted = deviation ? Array.from({ length: count }, (_, query) => query) : [token];
      const missing = wanted.filter((query) => query !== null && !Number.isFinite(flows[query * count]));
      if (missing.length === 0) return;
      try {
        const query = deviation ? null : token + asked.prefix;
        const found = await server.post("/api/flow", { image: imageOf(store.state), query });
        const all = asked.prefix + count;
        for (const row of missing) {
          const start = deviation ? (asked.prefix + row) * all : 0;
          const own = (found.flows ?? found.flow).slice(start + asked.prefix, start + all);
          const sum = own.reduce((before, value) => before + value, 0) || 1;
          flows.set(own.map((value) => value / sum), row * count);
        }
        if (asked === model) view.show(model);
      } catch (error) {
        if (!isSuperseded(error)) throw error;
      }
    }, PAUSE);
  }

  store.watch(["look"], show);
  view.restore(store.state.token);
  const words = element("p", { class: "hint" },
    "Hover over a token, or go to it by arrow keys: each map shows how much that token takes from every other one. ",
    "Shows how the layers mix tokens. Does not show which class the mixing speaks for, nor that a head matters to the prediction.");
  const beside = element("p", { class: "hint" });
  store.watch(["look"], ({ look }) => {
    const list = look?.attention?.beside ?? [];
    beside.textContent = list.length > 0 ? `Beside the attention, and in no map of it: ${list.join(", ")}.` : "";
  });
  return element("div", {}, words, view.element, beside);
}
