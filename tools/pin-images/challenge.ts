/** What a registry asks for with 401, from `WWW-Authenticate`. */
export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** `realm`, `service`, `scope`; names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

const WORD = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";
const PARAMETER = new RegExp(`^\\s*,?\\s*(${WORD})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${WORD}))`);
const SCHEME = new RegExp(`^[\\s,]*(${WORD})(?=\\s|,|$)`);

/** Reads the challenges of a `WWW-Authenticate` header (RFC 9110); several may share one. What is malformed is left out. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let rest = header;
  for (;;) {
    const scheme = SCHEME.exec(rest);
    if (scheme === null) return challenges;
    rest = rest.slice(scheme[0].length);
    const parameters: Record<string, string> = {};
    for (let match = PARAMETER.exec(rest); match !== null; match = PARAMETER.exec(rest)) {
      rest = rest.slice(match[0].length);
      parameters[(match[1] ?? "").toLowerCase()] = match[2]?.replace(/\\(.)/g, "$1") ?? match[3] ?? "";
    }
    challenges.push({ scheme: (scheme[1] ?? "").toLowerCase(), parameters });
  }
}
