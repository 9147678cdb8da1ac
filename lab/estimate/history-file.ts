import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { HistoryError, HistoryReader, type History } from "./history";

/** Entries between two words on progress. */
const PROGRESS_EVERY = 20_000;

/**
 * Reads a history: a JSON array of builds or of jobs, one build or job, or JSON lines (each an entry or an array of
 * entries, as `jq -c` writes pages).
 *
 * @param path `-` for standard input.
 * @param progress hears how far it is, in long ones.
 * @throws HistoryError for what cannot be read, is no JSON, or has an entry that is wrong.
 */
export async function readHistory(path: string, progress: (line: string) => void): Promise<History> {
  const name = path === "-" ? "standard input" : path;
  let content: string;
  try {
    content = path === "-" ? await text(process.stdin) : await readFile(path, "utf8");
  } catch (error) {
    throw new HistoryError(`${name} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  return parseHistory(content, name, progress);
}

/** The same for text that is there already. */
export function parseHistory(
  content: string,
  name: string,
  progress: (line: string) => void = () => undefined,
): History {
  const reader = new HistoryReader();
  let taken = 0;
  for (const [entry, where] of entries(content, name)) {
    reader.take(entry, where);
    taken += 1;
    if (taken % PROGRESS_EVERY === 0) {
      progress(`${taken} entries read`);
    }
  }
  const history = reader.history();
  if (history.jobs.length === 0) {
    const reasons = Object.entries(history.leftOut).map(([reason, count]) => `${count} ${reason}`);
    throw new HistoryError(
      `${name} must have at least one job that ran (type "script", started_at and finished_at set), got none` +
        (reasons.length === 0 ? "" : `; left out: ${reasons.join(", ")}`),
    );
  }
  return history;
}

function* entries(content: string, name: string): Generator<[entry: unknown, where: string]> {
  const whole = parsed(content);
  if (whole !== undefined) {
    yield* flat(whole.value, name);
    return;
  }
  let number = 0;
  for (const line of lines(content)) {
    number += 1;
    if (line.trim() === "") {
      continue;
    }
    const one = parsed(line);
    if (one === undefined) {
      throw new HistoryError(
        number === 1
          ? `${name} must be JSON (an array of builds or jobs) or JSON lines, got neither: it begins ${JSON.stringify(line.slice(0, 40))}` +
              "; pages one after the other become one array with: jq -s add"
          : `${name}, line ${number} must be JSON, got ${JSON.stringify(line.slice(0, 40))}`,
      );
    }
    yield* flat(one.value, `${name}, line ${number}`);
  }
}

/** Arrays give their elements. */
function* flat(value: unknown, where: string): Generator<[entry: unknown, where: string]> {
  if (Array.isArray(value)) {
    for (const [index, entry] of value.entries()) {
      yield [entry, `${where}[${index}]`];
    }
  } else {
    yield [value, where];
  }
}

function parsed(content: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(content) };
  } catch {
    return undefined;
  }
}

/** Line by line, so that a long text is not there twice. */
function* lines(content: string): Generator<string> {
  let from = 0;
  while (from < content.length) {
    const end = content.indexOf("\n", from);
    yield content.slice(from, end === -1 ? content.length : end);
    from = end === -1 ? content.length : end + 1;
  }
}
