// The state of the page as the part of its address behind `#`, which is sent to no server.

/** What a link keeps: a gallery image by its number, any other image by its pixels. */
export function toFragment(state) {
  const parts = new URLSearchParams();
  if (state.source.kind === "gallery") parts.set("image", state.source.index);
  else {
    parts.set("pixels", packed(state.pixels));
    parts.set("name", state.source.name);
  }
  if (state.target !== null) parts.set("target", state.target);
  if (state.against !== null) parts.set("against", state.against);
  parts.set("methods", state.methods.join(","));
  if (Object.keys(state.settings).length > 0) parts.set("settings", JSON.stringify(state.settings));
  parts.set("seed", state.seed);
  const { layer, map, token, opacity, deviation } = state.token;
  parts.set("token", JSON.stringify({ layer, map, token, opacity, deviation }));
  return `#${parts}`;
}

/** What a fragment holds, checked against the session; keys that are missing or make no sense are left out. */
export function fromFragment(fragment, session) {
  const parts = new URLSearchParams(fragment.replace(/^#/, ""));
  const whole = (key, end) => {
    const value = parts.get(key);
    return value !== null && /^\d{1,15}$/.test(value) && Number(value) < end ? Number(value) : undefined;
  };
  const available = session.methods.filter((method) => method.available).map((method) => method.name);
  const { channels, height, width } = session.input;
  return defined({
    image: whole("image", Number.MAX_SAFE_INTEGER),
    pixels: parts.has("pixels") ? unpacked(parts.get("pixels"), channels * height * width) : undefined,
    name: /^[\w.-]{1,60}$/.test(parts.get("name") ?? "") ? parts.get("name") : undefined,
    target: whole("target", session.classes.length),
    against: whole("against", session.classes.length),
    seed: whole("seed", Number.MAX_SAFE_INTEGER),
    methods: parts.get("methods")?.split(",").filter((name) => available.includes(name)),
    settings: settingsOf(parts.get("settings"), session),
    token: tokenOf(parts.get("token")),
  });
}

function defined(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== null));
}

function parsed(text) {
  try {
    return text ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

/** Only keys that the session lists; the server checks the values. */
function settingsOf(text, session) {
  const found = parsed(text);
  if (typeof found !== "object" || found === null) return undefined;
  const lists = [...session.methods.map((method) => method.settings), ...Object.values(session.shared)];
  const keys = new Set(lists.flat().map((setting) => setting.key));
  return Object.fromEntries(Object.entries(found).filter(([key]) => keys.has(key)));
}

function tokenOf(text) {
  const found = parsed(text);
  if (typeof found !== "object" || found === null) return undefined;
  const isCount = (value) => Number.isInteger(value) && value >= 0;
  return defined({
    layer: isCount(found.layer) ? found.layer : undefined,
    token: isCount(found.token) ? found.token : undefined,
    map: typeof found.map === "string" ? found.map : undefined,
    opacity: found.opacity >= 0 && found.opacity <= 1 ? found.opacity : undefined,
    deviation: typeof found.deviation === "boolean" ? found.deviation : undefined,
  });
}

/** Runs of equal levels, `[count, level]` as bytes, in base64 for addresses: a drawing takes a few hundred letters. */
function packed(pixels) {
  let runs = "";
  for (let index = 0; index < pixels.length;) {
    let length = 1;
    while (length < 255 && pixels[index + length] === pixels[index]) length += 1;
    runs += String.fromCharCode(length, pixels[index]);
    index += length;
  }
  return btoa(runs).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function unpacked(text, size) {
  let runs;
  try {
    runs = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return undefined;
  }
  const pixels = new Uint8Array(size);
  let index = 0;
  for (let place = 0; place + 1 < runs.length; place += 2) {
    const length = runs.charCodeAt(place);
    pixels.fill(runs.charCodeAt(place + 1), index, index + length);
    index += length;
  }
  return index === size ? pixels : undefined;
}
