/** When dockerd said that it starts and that it answers, by its own log. */
export interface DockerdStart {
  /** Epoch milliseconds. */
  readonly startingUpAt: number;
  readonly listeningAt: number;
}

/** Reads dind's log. Undefined where one of the two lines is not there. */
export function dockerdStartOf(log: string): DockerdStart | undefined {
  const at = (message: RegExp): number | undefined => {
    const line = log.split("\n").find((text) => message.test(text));
    const time = Date.parse(/time="([^"]+)"/.exec(line ?? "")?.[1] ?? "");
    return Number.isNaN(time) ? undefined : time;
  };
  const startingUpAt = at(/msg="?Starting up/);
  const listeningAt = at(/msg="?API listen on/);
  return startingUpAt === undefined || listeningAt === undefined ? undefined : { startingUpAt, listeningAt };
}
