// The state of the page in one place: what is explained and how. Parts of the page are told what changed.

import { toBase64 } from "./server.js";

/** Makes a store. `change(values)` tells everyone who watches one of the changed keys, once each. */
export function makeStore(initial) {
  const state = { ...initial };
  const watchers = [];
  return {
    state,
    change(values) {
      const changed = Object.keys(values).filter((key) => state[key] !== values[key]);
      if (changed.length === 0) return;
      Object.assign(state, values);
      const told = watchers.filter(({ keys }) => keys.some((key) => changed.includes(key)));
      for (const { act } of told) act(state, changed);
    },
    watch(keys, act) {
      watchers.push({ keys, act });
    },
  };
}

/** What the page begins with. Pixels are levels 0 to 255, `[channels, height, width]`. */
export function initialState(session) {
  const { channels, height, width } = session.input;
  return {
    pixels: new Uint8Array(channels * height * width),
    source: { kind: "drawn", index: null, name: "drawing", label: null },
    prediction: null,
    target: null,
    against: null,
    seed: session.seed,
    methods: [],
    settings: {},
    token: { layer: 0, map: "fused", token: null, opacity: 0.65, deviation: false },
  };
}

/** The image as requests name it: one of the gallery by its number, any other by its pixels. */
export function imageOf(state) {
  if (state.source.kind === "gallery") return { index: state.source.index };
  return { pixels: toBase64(state.pixels), name: state.source.name };
}

/** What every request about an explanation says: the image, the class, what it is set against, settings and seed. */
export function requestOf(state) {
  return { image: imageOf(state), target: state.target, against: rivalClass(state), settings: state.settings, seed: state.seed };
}

/** The class that is explained: the chosen one, or the predicted one. */
export function explainedClass(state) {
  return state.target ?? state.prediction?.predicted ?? null;
}

/** The class that it is set against: none as long as that is the explained one itself. */
export function rivalClass(state) {
  const explained = explainedClass(state);
  return explained === null || explained === state.against ? null : state.against;
}
