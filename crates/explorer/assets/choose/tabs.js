// Tabs: one panel of several is shown; arrow keys go from tab to tab.

import { element } from "../live/elements.js";

/** Tabs of `{key, title, content}`. `opened(key)` is told which panel is shown. */
export function tabs(label, panels, opened = () => {}) {
  const buttons = panels.map(({ key, title }, index) => element("button", {
    type: "button", role: "tab", id: `tab-${key}`, "aria-controls": `panel-${key}`, onclick: () => open(index),
  }, title));
  const contents = panels.map(({ key, content }) => element("div", {
    role: "tabpanel", id: `panel-${key}`, "aria-labelledby": `tab-${key}`,
  }, content));
  const bar = element("div", { role: "tablist", "aria-label": label, class: "tabs" }, ...buttons);
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const index = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
    open(index);
    buttons[index].focus();
  });

  function open(chosen) {
    buttons.forEach((button, index) => {
      button.setAttribute("aria-selected", String(index === chosen));
      button.tabIndex = index === chosen ? 0 : -1;
      contents[index].hidden = index !== chosen;
    });
    opened(panels[chosen].key);
  }

  open(0);
  return { element: element("div", {}, bar, ...contents), open: (key) => open(panels.findIndex((panel) => panel.key === key)) };
}
