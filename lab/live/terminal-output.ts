import { clearScreenDown, cursorTo } from "node:readline";
import type { WriteStream } from "node:tty";
import { styleText } from "node:util";
import { createLogUpdate } from "log-update";
import type { LabOutput } from "./output";
import type { LiveState } from "./state";
import { type Role, view } from "./view";

const DRAW_EVERY_MS = 250;
/** More lines than a terminal has rows are of no use. */
const KEPT_LINES = 200;

const STYLES: Readonly<Record<Role, Parameters<typeof styleText>[0]>> = {
  title: "bold",
  quiet: "gray",
  nodes: "cyan",
  booting: "yellow",
  waiting: "yellow",
  starting: "magenta",
  running: "blue",
  finished: "green",
  bad: "red",
};

/** What of a terminal is used. */
export type Terminal = NodeJS.WritableStream & Pick<WriteStream, "columns" | "rows" | "hasColors" | "isTTY">;

/**
 * Draws the view on a terminal, and again where it was. Before there is something to follow, and after the end, lines are
 * printed as they are. The cursor comes back at the end, and when the process ends in between.
 */
export function terminalOutput(terminal: Terminal, print: (line: string) => void): LabOutput {
  const update = createLogUpdate(terminal);
  // hasColors knows NO_COLOR and what the terminal is.
  const colours = terminal.hasColors();
  const paint = (role: Role, text: string) =>
    colours && text !== "" ? styleText(STYLES[role], text, { validateStream: false }) : text;
  const said: string[] = [];
  let source: (() => Omit<LiveState, "said">) | undefined;
  let timer: NodeJS.Timeout | undefined;

  const draw = () => {
    if (source !== undefined) {
      const { columns, rows } = terminal;
      update(view({ ...source(), said }, { columns, rows, paint }).join("\n"));
    }
  };
  const resized = () => {
    update.clear();
    // The terminal has broken the old lines anew: where they begin is not known any more.
    cursorTo(terminal, 0, 0);
    clearScreenDown(terminal);
    draw();
  };
  return {
    live: true,
    print: (line) => {
      if (timer === undefined) {
        print(line);
        return;
      }
      said.push(...line.split("\n").filter((one) => one !== ""));
      said.splice(0, said.length - KEPT_LINES);
    },
    follow: (next) => {
      source = next;
      if (timer === undefined) {
        timer = setInterval(draw, DRAW_EVERY_MS);
        terminal.on("resize", resized);
      }
      draw();
    },
    end: () => {
      if (timer !== undefined) {
        clearInterval(timer);
        timer = undefined;
        terminal.off("resize", resized);
        draw();
        source = undefined;
        update.done();
      }
    },
  };
}
