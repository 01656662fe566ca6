// Requests to the server of this page, each with the token of the link, the client and the number of the stroke.

/** An answer that is no success, with what the server said. */
export class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Whether an error only says that a newer stroke has made a request pointless. */
export function isSuperseded(error) {
  return error.name === "AbortError" || error.status === 409;
}

/** The connection of a page to its server. */
export function connect(token) {
  const client = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  let stroke = 0;
  let ending = new AbortController();

  async function request(path, { body, bytes, signal, lasting = false } = {}) {
    const headers = { "x-explorer-token": token, "x-explorer-client": client };
    if (!lasting) headers["x-explorer-stroke"] = String(stroke);
    if (body !== undefined) headers["content-type"] = "application/json";
    const signals = [signal, lasting ? null : ending.signal].filter(Boolean);
    const answer = await fetch(path, {
      method: body === undefined && bytes === undefined ? "GET" : "POST",
      headers,
      body: bytes ?? (body === undefined ? undefined : JSON.stringify(body)),
      signal: signals.length > 0 ? AbortSignal.any(signals) : undefined,
    });
    if (!answer.ok) {
      const said = await answer.json().catch(() => ({}));
      throw new ServerError(answer.status, said.error ?? `the server answered with status ${answer.status}`);
    }
    return answer;
  }

  return {
    /** A new stroke: whatever was asked for the image before it is cancelled. */
    nextStroke() {
      stroke += 1;
      ending.abort();
      ending = new AbortController();
    },
    get: async (path, options) => (await request(path, { lasting: true, ...options })).json(),
    post: async (path, body, options) => (await request(path, { body, ...options })).json(),
    bytesOf: async (path, options) => new Uint8Array(await (await request(path, { lasting: true, ...options })).arrayBuffer()),
    file: async (path, body) => (await request(path, { body })).blob(),
    /** Sends the bytes of a file. */
    send: async (path, bytes, options) => (await request(path, { bytes, lasting: true, ...options })).json(),
    /** Sends a request whose answer comes line by line, each of them JSON, and returns the last line. */
    async stream(path, body, { signal, line }) {
      const answer = await request(path, { body, signal });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let [rest, last] = ["", null];
      for (;;) {
        const { done, value } = await reader.read();
        const lines = (rest + (value ?? "")).split("\n");
        rest = done ? "" : lines.pop();
        for (const text of lines.filter((text) => text.trim() !== "")) {
          last = JSON.parse(text);
          line(last);
        }
        if (done) return last;
      }
    },
  };
}

/** Bytes as base64. */
export function toBase64(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; start += 8192) text += String.fromCharCode(...bytes.subarray(start, start + 8192));
  return btoa(text);
}

/** The bytes of base64. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}
