// A headless Chromium, spoken to in its own protocol: nothing but Node and the browser is needed.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Longest wait for anything; the machine may be busy. */
const PATIENCE = 60_000;

/** Runs `use` with a page of a browser that has no other host than this machine. */
export async function withPage(use) {
  const profile = await mkdtemp(join(tmpdir(), "ferrobase-browser-"));
  const browser = spawn(process.env.CHROMIUM ?? "chromium", [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--remote-debugging-port=0",
    `--user-data-dir=${profile}`,
    "about:blank",
  ]);
  const ended = new Promise((resolve) => browser.once("exit", resolve));
  try {
    const socket = await connected(await address(browser));
    try {
      await use(await Page.open(socket));
    } finally {
      socket.close();
    }
  } finally {
    browser.kill("SIGKILL");
    await ended;
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Where the browser says that it listens. */
function address(browser) {
  return new Promise((resolve, reject) => {
    let said = "";
    browser.once("error", reject);
    browser.once("exit", () => reject(new Error(`the browser ended: ${said}`)));
    browser.stderr.on("data", (text) => {
      said += text;
      const found = said.match(/DevTools listening on (ws:\S+)/);
      if (found) resolve(found[1]);
    });
  });
}

function connected(url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.onopen = () => resolve(socket);
    socket.onerror = () => reject(new Error(`no connection to ${url}`));
  });
}

class Page {
  /** Addresses that were asked for. */
  requests = [];
  /** What the browser complains of. */
  complaints = [];
  #socket;
  #session;
  #waiting = new Map();
  #last = 0;

  static async open(socket) {
    const page = new Page();
    page.#socket = socket;
    socket.onmessage = ({ data }) => page.#heard(JSON.parse(data));
    const { targetId } = await page.#say("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await page.#say("Target.attachToTarget", { targetId, flatten: true });
    page.#session = sessionId;
    for (const domain of ["Page", "Network", "Log", "Runtime"]) await page.#say(`${domain}.enable`);
    return page;
  }

  #heard({ id, result, error, method, params }) {
    if (id) {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      error ? reject(new Error(error.message)) : resolve(result);
    }
    if (method === "Network.requestWillBeSent") this.requests.push(params.request.url);
    if (method === "Log.entryAdded" && params.entry.level === "error") this.complaints.push(params.entry.text);
    if (method === "Runtime.exceptionThrown") this.complaints.push(JSON.stringify(params.exceptionDetails));
  }

  #say(method, params = {}) {
    const id = ++this.#last;
    this.#socket.send(JSON.stringify({ id, method, params, sessionId: this.#session }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  async go(url) {
    await this.#say("Page.navigate", { url });
  }

  /** Types where the cursor is. */
  async type(text) {
    await this.#say("Input.insertText", { text });
  }

  /** The value of an expression in the page. */
  async value(expression) {
    const { result, exceptionDetails } = await this.#say("Runtime.evaluate", { expression, returnByValue: true });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description}`);
    return result.value;
  }

  /** Waits until an expression has a value that counts. */
  async until(expression) {
    const end = Date.now() + PATIENCE;
    for (;;) {
      const value = await this.value(expression);
      if (value) return value;
      if (Date.now() > end) throw new Error(`never: ${expression}\n${await this.value("document.body.innerText")}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
