// Puts the page together: the session of the server, the store, and every part in its place.

import { classChoice, contrastSection } from "./ask/contrast.js";
import { scoreSection } from "./ask/scores.js";
import { whatIfSection } from "./ask/what_if.js";
import { drawingCanvas } from "./choose/drawing.js";
import { gallery } from "./choose/gallery.js";
import { photoPicker, takeDropsAndPastes } from "./choose/photo.js";
import { tabs } from "./choose/tabs.js";
import { keepSection } from "./keep/keep.js";
import { fromFragment } from "./link.js";
import { element, fill } from "./live/elements.js";
import { evidenceMaps } from "./see/evidence.js";
import { keepLooking } from "./see/look.js";
import { methodSection } from "./see/methods.js";
import { predictionTable } from "./see/prediction.js";
import { tokenSection } from "./see/tokens.js";
import { connect, fromBase64 } from "./server.js";
import { initialState, makeStore } from "./store.js";

const POLL_MILLISECONDS = 400;

const place = (name, ...children) => fill(document.getElementById(`${name}-place`), ...children);

function fail(error) {
  const failure = document.getElementById("failure");
  failure.hidden = false;
  failure.textContent = error.status === 401
    ? "The token of this address is not that of the server: open the address that the program has printed."
    : `Something failed: ${error.message}`;
}

function say(session) {
  const { model, dataset, input } = session;
  const source = dataset.state === "ready" ? `${dataset.name}, ${dataset.split} split, ${dataset.images} images`
    : dataset.state === "loading" ? "the data set is loading" : "no data set: draw, or drop a photo";
  document.getElementById("about").textContent = `${model.file ?? "the weights that ship"} (${model.kind}, ${model.parameters} parameters, `
    + `trained on ${model.trained_on}), images of ${input.width}×${input.height}; ${source}.`;
  const warning = document.getElementById("warning");
  warning.hidden = !dataset.warning;
  warning.textContent = dataset.warning ?? "";
}

async function start() {
  const server = connect(new URLSearchParams(location.search).get("token") ?? "");
  const session = await server.get("/api/session");
  say(session);
  const store = makeStore(initialState(session));
  const kept = fromFragment(location.hash, session);
  Object.assign(store.state, pick(kept, ["target", "against", "seed", "methods", "settings"]));
  store.state.token = { ...store.state.token, ...kept.token };

  const canvas = drawingCanvas(store, session.input);
  // an image that arrives after a later stroke or choice is dropped
  let turn = 0;
  store.watch(["pixels"], () => { turn += 1; });
  const choosing = () => {
    turn += 1;
    const asked = turn;
    return (pixels, source) => { if (asked === turn) canvas.replace(pixels, source); };
  };
  const photo = photoPicker(server, session, choosing);
  const sources = tabs("Where the image comes from", [
    { key: "gallery", title: "Gallery", content: element("div", { id: "gallery-content" }, element("p", { class: "hint" }, "The data set is loading …")) },
    { key: "photo", title: "Photo", content: photo.element },
  ]);
  takeDropsAndPastes(document, (file) => { sources.open("photo"); photo.take(file); });
  const show = async (index) => {
    const replace = choosing();
    const found = await server.get(`/api/image?index=${index}`);
    replace(fromBase64(found.pixels), { kind: "gallery", index, name: found.name, label: found.label ?? null });
  };
  const drawn = (pixels) => canvas.replace(pixels, { kind: "drawn", index: null, name: "drawing", label: null });

  place("canvas", canvas.element);
  place("source", sources.element);
  place("prediction", predictionTable(store, session));
  place("class", classChoice(store, session));
  place("evidence", evidenceMaps(store, session));
  place("contrast", contrastSection(store, session, server));
  place("tokens", tokenSection(store, session, server));
  place("methods", methodSection(store, session, server));
  place("what-if", whatIfSection(store, session, server, drawn));
  place("scores", scoreSection(store, session, server));
  place("keep", keepSection(store, session, server));
  keepLooking(store, server, fail);
  await openGallery(server, session, (index) => show(index).catch(fail));
  if (kept.image !== undefined && session.dataset.state === "ready") await show(kept.image);
  else if (kept.pixels) canvas.replace(kept.pixels, { kind: "drawn", index: null, name: kept.name ?? "drawing", label: null });
  for (const key of ["target", "against"]) {
    if (kept[key] === undefined) continue;
    store.state[key] = null;
    store.change({ [key]: kept[key] });
  }
  window.addEventListener("hashchange", () => {
    if (/^#(.*&)?(image|pixels)=/.test(location.hash)) location.reload();
  });
}

/** The gallery, as soon as the data set is there. */
async function openGallery(server, session, chosen) {
  while (session.dataset.state === "loading") {
    await new Promise((resolve) => { setTimeout(resolve, POLL_MILLISECONDS); });
    session.dataset = (await server.get("/api/session")).dataset;
  }
  say(session);
  const content = document.getElementById("gallery-content");
  if (session.dataset.state !== "ready") {
    const reason = session.dataset.reason ?? session.dataset.error;
    fill(content, element("p", { class: "hint" }, `There is no gallery: ${reason}. Draw, or drop a photo.`));
    return;
  }
  const images = gallery(server, session, chosen);
  fill(content, images.element);
  images.load().catch(fail);
}

function pick(values, keys) {
  return Object.fromEntries(keys.filter((key) => values[key] !== undefined).map((key) => [key, values[key]]));
}

start().catch(fail);
