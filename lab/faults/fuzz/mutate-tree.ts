import type { SeededRandom } from "../../buildkite";

/** JSON text that no value gives, such as a number of 400 digits: it takes the place of its mark once all is text. */
export class RawTexts {
  private readonly texts: string[] = [];

  /** Returns the mark to be put where the text shall stand. */
  mark(text: string): string {
    this.texts.push(text);
    return `@raw ${this.texts.length - 1}@`;
  }

  /** Puts all of them in. */
  into(json: string): string {
    return json.replaceAll(/"@raw (\d+)@"/g, (_, index: string) => this.texts[Number(index)] ?? "");
  }
}

/** Share of the huge that are larger than anything may be: they take as long as hundreds of others. */
const RARE = 0.02;

/** How likely a walk down the tree stops where it could go on. */
const STAY = 0.2;

type Container = Record<string, unknown> | unknown[];

/** A place in a tree: what holds it, and under which key. */
interface Place {
  readonly holder: Container;
  readonly key: string;
}

const EVENTS = [
  ...["ping", "job.started", "job.finished", "job.activated", "build.scheduled", "build.finished", "agent.lost"],
  ...["job.scheduled ", "JOB.SCHEDULED", "job.scheduled\u0000", "", "toString", "__proto__"],
];
const TEXTS = [
  ...["", " ", "x", "null", "\u0000", "\ud800", "\u202eabc", "../../etc/passwd", "$(reboot)", "'; drop table jobs; --"],
  ...[
    "__proto__",
    "constructor",
    "job.scheduled",
    "script",
    "queue=linux",
    "\n\r\t",
    "http://[",
    "1970-01-01T00:00:00Z",
  ],
  ...["00000000-0000-0000-0000-000000000000", "{849411f9-9e6d-4739-a0d8-e247088e9b52}", "849411f9", "9".repeat(300)],
];
const NUMBERS = [0, -1, 0.5, 1e308, -1e308, 2 ** 53, 2 ** 31, Number.MIN_VALUE];
/** What decides whether there will be a Job; half of all changes are made there. */
const DECIDING = [
  "event",
  "job",
  "job.id",
  "job.type",
  "job.agent_query_rules",
  "pipeline",
  "build",
  "job.runnable_at",
];

/** Changes one thing in the tree; returns what, in a word or two. */
export function mutateTree(tree: Record<string, unknown>, raws: RawTexts, random: SeededRandom): string {
  const deciding = random.next() < 0.5 ? placeAt(tree, pick(DECIDING, random)) : undefined;
  const place = deciding ?? anyPlace(tree, random);
  const set = (value: unknown): void => {
    Object.defineProperty(place.holder, place.key, { value, enumerable: true, configurable: true, writable: true });
  };
  const changes: [string, () => void][] = [
    [
      "another type",
      () => {
        set(pick([null, true, false, [], {}, [[]], [null], { id: [] }, ...NUMBERS, ...TEXTS], random));
      },
    ],
    [
      "another text",
      () => {
        set(pick(TEXTS, random));
      },
    ],
    [
      "another event",
      () => {
        tree["event"] = pick(EVENTS, random);
      },
    ],
    [
      "a huge number",
      () => {
        set(raws.mark(pick(["1e999", "-1e999", "9".repeat(400), `0.${"1".repeat(2_000)}`, "1E400"], random)));
      },
    ],
    [
      "a huge text",
      () => {
        set("x".repeat(random.next() < RARE ? 1_200_000 : random.integer(1_000, 20_000)));
      },
    ],
    [
      "deep nesting",
      () => {
        const depth = random.next() < RARE ? 100_000 : random.integer(100, 2_000);
        set(
          raws.mark(
            random.next() < 0.5
              ? "[".repeat(depth) + "]".repeat(depth)
              : `${'{"a":'.repeat(depth)}0${"}".repeat(depth)}`,
          ),
        );
      },
    ],
    [
      "many entries",
      () => {
        set(Array.from({ length: random.integer(100, 1_000) }, (_, index) => `queue=${index}`));
      },
    ],
    [
      "a field gone",
      () => {
        Reflect.deleteProperty(place.holder, place.key);
      },
    ],
    [
      "fields nobody knows",
      () => {
        const more = { ["x".repeat(random.integer(1, 300))]: pick(TEXTS, random), toString: 1, length: -1 };
        set({ ...Object.fromEntries(Object.entries(valueOf(place))), ...more });
      },
    ],
    [
      "a field twice",
      () => {
        const { key, holder } = place;
        const first = JSON.stringify(pick([null, 1, ...TEXTS], random));
        if (!Array.isArray(holder)) {
          // The second is the one that counts, in every parser that we know of.
          const value = JSON.stringify(holder[key] ?? null);
          set(raws.mark(`${first},${JSON.stringify(key)}:${random.next() < 0.5 ? value : first}`));
        }
      },
    ],
    [
      "a prototype",
      () => {
        Object.defineProperty(place.holder, "__proto__", {
          value: { event: "job.scheduled" },
          enumerable: true,
          configurable: true,
        });
      },
    ],
  ];
  const [what, change] = pick(changes, random);
  change();
  return what;
}

function valueOf({ holder, key }: Place): Container {
  const value: unknown = Reflect.get(holder, key);
  return isContainer(value) ? value : {};
}

/** One of them. */
export function pick<T>(values: readonly T[], random: SeededRandom): T {
  const value = values[random.integer(0, values.length - 1)];
  if (value === undefined) {
    throw new RangeError("there is nothing to pick from");
  }
  return value;
}

function placeAt(tree: Record<string, unknown>, path: string): Place | undefined {
  const keys = path.split(".");
  const key = keys.pop() ?? "";
  const holder = keys.reduce<unknown>(
    (value, step) => (isContainer(value) ? Reflect.get(value, step) : undefined),
    tree,
  );
  return isContainer(holder) ? { holder, key } : undefined;
}

/** Goes down from the top, at each step by chance; never makes a list of all places, of which there may be thousands. */
function anyPlace(tree: Record<string, unknown>, random: SeededRandom): Place {
  let holder: Container = tree;
  for (;;) {
    const key: string = pick(Object.keys(holder), random);
    const below: unknown = Reflect.get(holder, key);
    if (!isContainer(below) || Object.keys(below).length === 0 || random.next() < STAY) {
      return { holder, key };
    }
    holder = below;
  }
}

function isContainer(value: unknown): value is Container {
  return typeof value === "object" && value !== null;
}
