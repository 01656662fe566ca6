// The timeline: methods side by side, each in its place, maps of one unit on one scale. Quick ones answer within the pause of
// a stroke; the others stream their progress and are ended by the next stroke.

import { choiceSwitch, element, fill } from "../live/elements.js";
import { methodCard, sharedScales } from "../live/method_strip.js";
import { shortNumber } from "../live/numbers.js";
import { MARKS } from "../live/scale_bar.js";
import { drawableOf, errorInWords } from "./drawable.js";
import { makeJobs } from "./jobs.js";
import { costInWords, settingControls } from "./settings.js";
import { rivalClass } from "../store.js";

/** Methods that are shown at the start, where the model serves them. */
const FIRST = ["input-gradient", "input-times-gradient", "integrated-gradients", "grad-cam", "occlusion", "kernel-shap"];
const SETTLED = 250;
const FAMILIES = { attention: "Attention", gradients: "Gradients", "feature-maps": "Feature maps", evidence: "Evidence", perturbation: "Perturbation" };

/** The section of methods. It runs again whenever the image, the class or a setting changes. */
export function methodSection(store, session, server) {
  const methods = session.methods.filter((method) => method.available);
  const byName = new Map(methods.map((method) => [method.name, method]));
  const [cards, results] = [new Map(), new Map()];
  let opacity = 1;
  const strip = element("div", { class: "method-strip" });
  const chosenMethods = () => methods.filter(({ name }) => store.state.methods.includes(name));
  const jobs = makeJobs(server, store, hear);

  function cardOf(method) {
    if (cards.has(method.name)) return cards.get(method.name);
    const card = methodCard({ name: method.name, title: method.title, shows: method.shows, doesNotShow: method.does_not_show });
    card.bar = element("progress", { max: 1, value: 0, "aria-label": `Progress of ${method.title}` });
    card.words = element("span", { class: "card-words" }, "not computed yet");
    card.button = element("button", { type: "button", onclick: () => (jobs.isRunning(method.name) ? jobs.stop(method.name) : jobs.startOne(method)) }, "Start");
    fill(card.status, card.bar, card.words, card.button);
    const cost = element("p", { class: "cost" }, costInWords(method, store.state.settings));
    store.watch(["settings"], ({ settings }) => { cost.textContent = costInWords(method, settings); });
    if (method.settings.length > 0) {
      const holder = element("details", {}, element("summary", {}, "Settings"), ...settingControls(method.settings, store.state.settings, (key, value) => {
        setSetting(key, value);
        cost.textContent = costInWords(method, store.state.settings);
      }), cost);
      fill(card.settings, holder);
    } else fill(card.settings, cost);
    cards.set(method.name, card);
    return card;
  }

  let settling = null;
  function setSetting(key, value) {
    const settings = { ...store.state.settings };
    if (value === undefined) delete settings[key];
    else settings[key] = value;
    clearTimeout(settling);
    store.state.settings = settings;
    settling = setTimeout(() => store.change({ settings: { ...settings } }), SETTLED);
  }

  function hear(name, event) {
    const card = cards.get(name);
    if (!card) return;
    card.element.dataset.state = event.type;
    card.button.textContent = ["started", "preview", "progress", "queued"].includes(event.type) ? "Stop" : "Start again";
    if (event.type === "waiting") say(card, 0, "waits for a pause");
    else if (event.type === "queued") say(card, 0, `${event.ahead} before it`);
    else if (event.type === "started") say(card, null, "computing");
    else if (event.type === "progress") hearProgress(card, event);
    else if (event.type === "cancelled") say(card, 0, `cancelled: ${event.reason}`);
    else if (event.type === "error") say(card, 0, event.error);
    else if (event.type === "preview") {
      results.set(name, { drawable: drawableOf({ sentences: [], warnings: [], ...event }, session.input), isFresh: true, isProvisional: true });
      say(card, null, "a first look by fewer evaluations, going on");
      drawAll();
    } else if (event.type === "result") {
      results.set(name, { drawable: drawableOf(event, session.input), isFresh: true, isProvisional: false });
      say(card, 1, `done in ${shortNumber(event.seconds)} s${event.cached ? ", from memory" : ""}${errorInWords(event)}`);
      drawAll();
      store.change({ results: new Map(results) });
    }
  }

  function hearProgress(card, { done, total, what, relative_standard_error: error }) {
    const of = total ? ` of ${total}` : "";
    const spread = error === null || error === undefined ? "" : `, standard error ${(100 * error).toFixed(0)} %`;
    say(card, total ? done / total : null, `${done}${of} ${what}${spread}`);
  }

  function say(card, share, words) {
    if (share === null) card.bar.removeAttribute("value");
    else card.bar.value = share;
    card.words.textContent = words;
  }

  function drawAll() {
    const shown = chosenMethods().map(({ name }) => [name, results.get(name)]).filter(([, result]) => result);
    const scales = sharedScales(shown.map(([, { drawable }]) => drawable));
    for (const [name, { drawable, isFresh, isProvisional }] of shown) {
      cards.get(name).show(drawable, { pixels: store.state.pixels, ...session.input }, scales.get(drawable.unit), opacity);
      cards.get(name).element.classList.toggle("stale", !isFresh);
      cards.get(name).element.classList.toggle("provisional", isProvisional);
    }
  }

  function rebuild() {
    fill(strip, ...chosenMethods().map((method) => cardOf(method).element));
    for (const box of list.querySelectorAll("input[type=checkbox]")) box.checked = store.state.methods.includes(box.value);
    drawAll();
  }

  let rival = null;
  function run(atOnce = false) {
    rival = rivalClass(store.state);
    for (const [name, result] of results) {
      result.isFresh = false;
      cards.get(name)?.element.classList.add("stale");
    }
    if (store.state.asked) jobs.restart(chosenMethods(), atOnce);
  }

  const list = methodList(methods, (name, isChosen) => {
    const names = isChosen ? [...store.state.methods, name] : store.state.methods.filter((other) => other !== name);
    store.change({ methods: methods.map((method) => method.name).filter((one) => names.includes(one)) });
    if (isChosen && store.state.asked) jobs.startOne(byName.get(name));
    else jobs.stop(name);
  });
  const shared = element("details", { class: "shared-settings" }, element("summary", {}, "Settings that methods share"),
    ...Object.entries(session.shared).map(([group, settings]) => element("fieldset", {}, element("legend", {}, group),
      ...settingControls(settings, store.state.settings, setSetting))));
  const opacities = choiceSwitch("Behind the maps", "maps-behind", [["map", "nothing"], ["image", "the image"]], "map", (behind) => {
    opacity = behind === "image" ? 0.7 : 1;
    drawAll();
  });

  store.watch(["methods"], rebuild);
  store.watch(["pixels"], () => {
    jobs.stop();
    results.clear();
    for (const card of cards.values()) card.element.classList.add("stale");
  });
  store.watch(["asked"], () => run());
  store.watch(["target", "against", "settings", "seed"], () => run());
  // whether there is a class to be set against can follow from the prediction
  store.watch(["prediction"], (state) => { if (rivalClass(state) !== rival) run(); });
  if (store.state.methods.length === 0) store.change({ methods: methods.map(({ name }) => name).filter((name) => FIRST.includes(name)) });
  rebuild();
  const words = element("p", { class: "hint" }, `Maps of one unit have one scale: equal colours mean equal values. ${MARKS}`);
  return element("div", {}, words, list, element("div", { class: "switches" }, opacities), shared, strip);
}

function methodList(methods, toggled) {
  const groups = Map.groupBy(methods, (method) => method.family);
  return element("details", { class: "method-list" }, element("summary", {}, "Choose methods"),
    ...[...groups].map(([family, members]) => element("fieldset", {}, element("legend", {}, FAMILIES[family] ?? family),
      ...members.map(({ name, title }) => element("label", {},
        element("input", { type: "checkbox", value: name, name: `method-${name}`, onchange: (event) => toggled(name, event.target.checked) }), title)))));
}
