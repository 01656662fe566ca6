// The settings of a method as sliders, switches and lists, with what they cost.

import { element } from "../live/elements.js";
import { shortNumber } from "../live/numbers.js";

const STEPS = 200;

/** A count in full, anything else to three digits. */
const asSet = (setting, value) => (setting.type === "integer" ? String(value) : String(Number(value.toPrecision(3))));

/** Controls for settings. `changed(key, value)` is told of every choice; a value equal to the default is undefined. */
export function settingControls(settings, values, changed) {
  return settings.map((setting) => control(setting, values[setting.key] ?? setting.default, (value) => {
    changed(setting.key, JSON.stringify(value) === JSON.stringify(setting.default) ? undefined : value);
  }));
}

function control(setting, value, changed) {
  switch (setting.type) {
    case "boolean": {
      const box = element("input", { type: "checkbox", checked: value, onchange: () => changed(box.checked) });
      return labelled(setting, box);
    }
    case "choice": {
      const list = element("select", { onchange: () => changed(list.value) },
        ...setting.choices.map((choice) => element("option", { value: choice, selected: choice === value }, choice)));
      return labelled(setting, list);
    }
    case "choices": {
      const boxes = setting.choices.map((choice) => element("label", {},
        element("input", { type: "checkbox", value: choice, checked: value.includes(choice), onchange: () => changed(chosen()) }), choice));
      const chosen = () => boxes.map((box) => box.firstChild).filter((box) => box.checked).map((box) => box.value);
      return element("fieldset", { class: "choices" }, element("legend", {}, setting.title), ...boxes);
    }
    default:
      return slider(setting, value, changed);
  }
}

function slider(setting, value, changed) {
  const shown = element("output", {}, asSet(setting, Number(value)));
  const isLog = setting.scale === "log" && setting.min > 0;
  const { min, max } = setting;
  const toPlace = (number) => (isLog ? Math.log(number / min) / Math.log(max / min) : (number - min) / (max - min));
  const fromPlace = (place) => {
    const exact = isLog ? min * (max / min) ** place : min + place * (max - min);
    if (setting.type !== "integer") return Number(exact.toPrecision(3));
    // some counts are even, and an odd one would be refused
    return setting.default + setting.step * Math.round((exact - setting.default) / setting.step);
  };
  const steps = setting.type === "integer" && !isLog ? Math.min(STEPS, Math.max(1, max - min)) : STEPS;
  const input = element("input", {
    type: "range", min: 0, max: steps, step: 1, value: Math.round(steps * toPlace(Number(value))), "data-key": setting.key,
    oninput: () => {
      const number = fromPlace(Number(input.value) / steps);
      shown.textContent = asSet(setting, number);
      input.setAttribute("aria-valuetext", shown.textContent);
      changed(number);
    },
  });
  input.setAttribute("aria-valuetext", shown.textContent);
  return labelled(setting, input, shown);
}

function labelled(setting, ...controls) {
  return element("label", { class: "setting", title: setting.help }, element("span", {}, setting.title), ...controls);
}

/** What a method costs at its settings, in words, or nothing where that is not known. */
export function costInWords({ cost, settings }, values) {
  if (!cost) return "";
  const setting = settings.find(({ key }) => key === cost.key);
  const chosen = setting ? Number(values[cost.key] ?? setting.default) : null;
  const difference = setting ? (chosen - Number(setting.default)) * (cost.per_unit ?? 1) : 0;
  const count = Math.max(0, Math.round(cost.count_at_default + difference));
  const seconds = cost.milliseconds_each ? `, about ${shortNumber((count * cost.milliseconds_each) / 1000)} s` : "";
  const isOther = cost.shared && Object.keys(values).some((key) => key.startsWith(`${cost.shared}.`));
  const condition = isOther ? `, were the ${cost.shared} as at first` : "";
  return `Costs at most ${count} ${cost.unit}${count === 1 ? "" : "s"}${seconds}${condition}.`;
}
