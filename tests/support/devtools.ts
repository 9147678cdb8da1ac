import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flags, type Look, stop } from "./chromium";
import { until } from "./until";

/** A page that is open in a browser, as a person has it: with a pointer and a keyboard. */
export interface OpenPage {
  /** What an expression comes to in the page; JSON. */
  readonly ask: <T>(expression: string) => Promise<T>;
  /** Moves the pointer there; CSS pixels of the window. */
  readonly point: (x: number, y: number) => Promise<void>;
  /** Presses a key, such as `Tab` or `ArrowDown`. */
  readonly press: (key: keyof typeof KEYS) => Promise<void>;
}

/** Key codes that the browser acts by. */
const KEYS = { Tab: 9, ArrowDown: 40 } as const;

interface Answer {
  readonly id?: number;
  readonly result?: { readonly result?: { readonly value?: unknown } };
  readonly error?: { readonly message: string };
}

/** Opens a local page, lets `use` work with it over the browser's DevTools protocol, and ends the browser. */
export async function withPage(
  browser: string,
  page: string,
  how: Look,
  use: (page: OpenPage) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "buildkite-scale-to-zero-chromium-"));
  const child = spawn(
    browser,
    [...flags(folder, how), "--remote-debugging-port=0", "--remote-allow-origins=*", `file://${page}`],
    // What it would else leave in the machine's folder for temporary files goes with this one.
    { stdio: "ignore", detached: true, env: { ...process.env, TMPDIR: folder } },
  );
  const ended = new Promise((resolve) => child.once("close", resolve).once("error", resolve));
  let socket: WebSocket | undefined;
  try {
    socket = new WebSocket(await pageAddress(folder));
    await once(socket, "open");
    await use(openPage(socket));
  } finally {
    socket?.close();
    stop(child.pid);
    await ended;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The browser writes its port into its folder, and lists its pages there. */
async function pageAddress(folder: string): Promise<string> {
  return until(
    "the browser opens the page",
    async () => {
      const text = await readFile(join(folder, "DevToolsActivePort"), "utf8").catch(() => "");
      const port = text.split("\n")[0] ?? "";
      if (port === "") {
        return undefined;
      }
      const answer = await fetch(`http://127.0.0.1:${port}/json/list`);
      const pages = (await answer.json()) as { type: string; url: string; webSocketDebuggerUrl: string }[];
      return pages.find(({ type, url }) => type === "page" && url.startsWith("file:"))?.webSocketDebuggerUrl;
    },
    60,
  );
}

function openPage(socket: WebSocket): OpenPage {
  const waiting = new Map<number, (answer: Answer) => void>();
  socket.addEventListener("message", ({ data }) => {
    const answer = JSON.parse(String(data)) as Answer;
    waiting.get(answer.id ?? 0)?.(answer);
  });
  let last = 0;
  async function send(method: string, params: Record<string, unknown>): Promise<Answer> {
    const id = (last += 1);
    const answered = new Promise<Answer>((resolve) => waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params }));
    const answer = await answered;
    if (answer.error !== undefined) {
      throw new Error(`${method}: ${answer.error.message}`);
    }
    return answer;
  }
  return {
    ask: async <T>(expression: string) => {
      const { result } = await send("Runtime.evaluate", { expression, returnByValue: true });
      return result?.result?.value as T;
    },
    point: async (x, y) => {
      await send("Input.dispatchMouseEvent", { type: "mouseMoved", x, y });
    },
    press: async (key) => {
      for (const type of ["rawKeyDown", "keyUp"]) {
        await send("Input.dispatchKeyEvent", { type, key, code: key, windowsVirtualKeyCode: KEYS[key] });
      }
    },
  };
}
