// Short forms for what every part of a page does with its elements.

/** An element with attributes, listeners (`onclick`, …) and children, which are elements or text. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "class") made.className = value;
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Replaces what stands in an element. */
export function fill(parent, ...children) {
  parent.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
  return parent;
}

/** Radio buttons that look like one switch. `options` are `[value, text]`; `chosen` is told of every choice. */
export function choiceSwitch(legend, name, options, value, chosen) {
  const buttons = options.map(([option, text]) => element("label", {},
    element("input", {
      type: "radio", name, value: option, checked: String(option) === String(value),
      onchange: () => chosen(option),
    }),
    element("span", {}, text)));
  return element("fieldset", { class: "choice-switch" }, element("legend", {}, legend), ...buttons);
}

/** A slider from 0 to 100 % with its label. */
export function opacitySlider(value, changed) {
  const slider = element("input", {
    type: "range", min: 0, max: 100, step: 5, value: Math.round(100 * value),
    oninput: () => changed(Number(slider.value) / 100),
  });
  return element("label", { class: "opacity" }, "Map over the image", slider);
}
