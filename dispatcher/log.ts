/** Values of a log line: never a payload, never a header, never anything read from a secret. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined | readonly string[]>>;

export type LogLevel = "info" | "warn" | "error";

/** One JSON object per line: time, level, event, then the fields. */
export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** @param write takes one line with its line end. */
export function createLog(write: (line: string) => void): Log {
  const line = (level: LogLevel, event: string, fields: LogFields | undefined): void => {
    write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...fields })}\n`);
  };
  return {
    info: (event, fields) => {
      line("info", event, fields);
    },
    warn: (event, fields) => {
      line("warn", event, fields);
    },
    error: (event, fields) => {
      line("error", event, fields);
    },
  };
}

/** What may be said of a caught value: its message, shortened; the messages of our own and of Node's errors hold no payload. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 600);
}
