// What a reader takes along: files, a link that restores the state, and the command line that gives the same bits.

import { element, fill } from "../live/elements.js";
import { isSuperseded } from "../server.js";
import { toFragment } from "../link.js";
import { imageOf, requestOf } from "../store.js";

const FILES = [
  ["image.png", "Image, PNG"], ["sheet.png", "Sheet, PNG"], ["sheet.svg", "Sheet, SVG"],
  ["attributions.safetensors", "Maps, safetensors"], ["diagnostics.json", "Diagnostics, JSON"],
];
const PAUSE = 400;

/** The section. The command line follows the state. */
export function keepSection(store, session, server) {
  const status = element("p", { role: "status", class: "hint" });
  const command = element("code", { id: "command" }, "–");
  const note = element("p", { class: "hint" });
  const link = element("input", { type: "text", readonly: true, id: "link", onfocus: () => link.select() });
  let waiting = null;

  async function download(file) {
    status.textContent = `Preparing ${file} …`;
    try {
      const body = file === "image.png" ? { image: imageOf(store.state) } : { ...requestOf(store.state), methods: store.state.methods };
      const blob = await server.file(`/api/download/${file}`, body);
      const address = URL.createObjectURL(blob);
      const name = file === "image.png" ? `${store.state.source.name}.png` : file;
      element("a", { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10000);
      status.textContent = `${name}: ${blob.size} bytes.`;
    } catch (error) {
      status.textContent = isSuperseded(error) ? "Cancelled: the image changed." : error.message;
    }
  }

  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      status.textContent = `${what} copied.`;
    } catch {
      status.textContent = `The browser does not let the page copy: select the ${what.toLowerCase()} and copy it.`;
    }
  }

  async function refresh() {
    link.value = `${location.origin}${location.pathname}${location.search}${toFragment(store.state)}`;
    if (!store.state.prediction) return;
    try {
      const found = await server.post("/api/command", { ...requestOf(store.state), methods: store.state.methods });
      command.textContent = found.command;
      const saved = found.file ? `Download the image first and save it as ${found.file}; ` : "";
      note.textContent = `${saved}${found.note ?? ""}`;
    } catch (error) {
      if (!isSuperseded(error)) note.textContent = error.message;
    }
  }

  store.watch(["asked", "prediction", "target", "against", "methods", "settings", "seed", "token"], () => {
    clearTimeout(waiting);
    waiting = setTimeout(refresh, PAUSE);
  });
  const seed = element("input", { type: "number", min: 0, step: 1, value: store.state.seed, name: "seed", onchange: () => store.change({ seed: Math.max(0, Math.round(Number(seed.value))) }) });
  store.watch(["seed"], (state) => { seed.value = state.seed; });
  const buttons = FILES.map(([file, title]) => element("button", { type: "button", "data-file": file, onclick: () => download(file) }, title));
  return fill(element("div", { class: "keep" }),
    element("div", { class: "buttons" }, ...buttons),
    element("label", {}, "Seed of the random draws", seed),
    element("div", { class: "link-row" }, element("label", {}, "Link that restores this state", link),
      element("button", { type: "button", onclick: () => copy(link.value, "Link") }, "Copy link")),
    element("p", { class: "hint" }, "The link works while this server runs. Later, put its part from # on behind the new address."),
    element("h3", {}, "The same on the command line, bit by bit"),
    element("div", { class: "scroll command", tabindex: "0", role: "region", "aria-label": "Command line" }, command),
    element("div", { class: "buttons" }, element("button", { type: "button", onclick: () => copy(command.textContent, "Command line") }, "Copy command line")),
    note, status);
}
