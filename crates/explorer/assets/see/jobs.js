// Methods at work: which of them wait, run or are done for the image as it is now. A new stroke ends all of them.

import { isSuperseded } from "../server.js";
import { requestOf } from "../store.js";

/** Quick methods start after this pause in milliseconds, the others after the longer one. */
const PAUSES = { quick: 120, heavy: 700 };
const AT_ONCE = 2;

const costOf = ({ cost }) => (cost ? cost.count_at_default : 1);

/** Makes the jobs. `told(method, event)` hears `{type: "waiting" | "started" | "progress" | "result" | "error" | "cancelled" | …}`. */
export function makeJobs(server, store, told) {
  const running = new Map();
  // methods whose pause is not over
  const pausing = new Set();
  let waiting = [];
  let timers = [];

  function start(methods, pause) {
    if (methods.length === 0) return;
    for (const { name } of methods) {
      pausing.add(name);
      told(name, { type: "waiting" });
    }
    const begin = () => {
      const left = methods.filter(({ name }) => pausing.delete(name));
      const cheapestFirst = left.sort((one, other) => costOf(one) - costOf(other));
      waiting.push(...cheapestFirst.filter(({ name }) => !waiting.some((one) => one.name === name)));
      fill();
    };
    if (pause > 0) timers.push(setTimeout(begin, pause));
    else begin();
  }

  function fill() {
    while (running.size < AT_ONCE && waiting.length > 0) run(waiting.shift());
  }

  async function run({ name }) {
    const ending = new AbortController();
    running.set(name, ending);
    const isCurrent = () => running.get(name) === ending;
    try {
      await server.stream("/api/explain", { ...requestOf(store.state), method: name }, {
        signal: ending.signal,
        line: (line) => { if (isCurrent()) told(name, line); },
      });
    } catch (error) {
      if (isCurrent()) told(name, isSuperseded(error) ? { type: "cancelled", reason: "stopped" } : { type: "error", error: error.message });
    }
    if (!isCurrent()) return;
    running.delete(name);
    fill();
  }

  /** Ends what waits or runs: all methods, or one. */
  function stop(method = null) {
    if (method === null) timers.forEach(clearTimeout);
    if (method === null) timers = [];
    if (method === null) pausing.clear();
    else pausing.delete(method);
    waiting = waiting.filter(({ name }) => method !== null && name !== method);
    for (const [name, ending] of [...running]) {
      if (method !== null && name !== method) continue;
      running.delete(name);
      ending.abort();
      told(name, { type: "cancelled", reason: method === null ? "the image or a setting changed" : "stopped" });
    }
    fill();
  }

  return {
    stop,
    /** Starts methods again: after a pause that depends on how much each costs, or at once. */
    restart(methods, atOnce = false) {
      stop();
      start(methods.filter((method) => method.quick), atOnce ? 0 : PAUSES.quick);
      start(methods.filter((method) => !method.quick), atOnce ? 0 : PAUSES.heavy);
    },
    startOne(method) {
      stop(method.name);
      start([method], 0);
    },
    isRunning: (name) => running.has(name),
  };
}
