// Asks for the prediction at every stroke, and for the quick explanations as soon as the strokes pause.

import { isSuperseded } from "../server.js";
import { imageOf } from "../store.js";

const PAUSE = 90;

/** Keeps `prediction` and `look` of the store up with its image. `failed` hears errors. */
export function keepLooking(store, server, failed) {
  let [isAsking, isStale, waiting] = [false, false, null];

  /** At most one prediction is on its way; the newest image is asked for when it has come. */
  async function predict() {
    if (isAsking) {
      isStale = true;
      return;
    }
    isAsking = true;
    try {
      do {
        isStale = false;
        const { pixels } = store.state;
        const started = performance.now();
        const prediction = await server.post("/api/predict", { image: imageOf(store.state) }, { lasting: true });
        store.state.latency = performance.now() - started;
        if (pixels === store.state.pixels) store.change({ prediction });
        else {
          isStale = true;
          store.change({ prediction });
        }
      } while (isStale);
    } catch (error) {
      if (!isSuperseded(error)) failed(error);
    } finally {
      isAsking = false;
    }
  }

  async function look() {
    const { pixels } = store.state;
    try {
      const found = await server.post("/api/look", { image: imageOf(store.state) });
      if (pixels === store.state.pixels) store.change({ look: found });
    } catch (error) {
      if (!isSuperseded(error)) failed(error);
    }
  }

  let number = 0;
  store.watch(["pixels"], () => {
    server.nextStroke();
    predict();
    number += 1;
    store.change({ asked: number });
    clearTimeout(waiting);
    waiting = setTimeout(look, PAUSE);
  });
}
