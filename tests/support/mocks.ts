import * as pulumi from "@pulumi/pulumi";

/**
 * Pulumi's own mocks, with the monitor wrapped so that a test sees the whole request: parent, options, secrets. They
 * prove what the program asks for, not what an engine or a provider makes of it (lab/ does that).
 */
export interface Registration {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
  /** Names of the parents' types, outermost first, as the URN shows them. */
  readonly parent: string;
  readonly ignoreChanges: readonly string[];
  readonly protect: boolean;
  readonly retainOnDelete: boolean;
  readonly provider: string;
  readonly dependencies: readonly string[];
  /** Inputs that are marked secret, as dotted paths. */
  readonly secretPaths: readonly string[];
}

/** Answers of look-ups, by token; an unknown token is an error. */
export type Calls = Readonly<Record<string, (inputs: Record<string, unknown>) => Record<string, unknown>>>;

const SECRET_KEY = "4dabf18193072939515e22adb298388d";
const SECRET_VALUE = "1b47061264138c4ac30d75fd1eb44270";

interface RegisterRequest {
  getType(): string;
  getName(): string;
  getParent(): string;
  getProtect(): boolean;
  getRetainondelete(): boolean;
  getProvider(): string;
  getProvidersMap(): { getEntryList(): [string, string][] };
  getIgnorechangesList(): string[];
  getDependenciesList(): string[];
  getObject(): { toJavaScript(): Record<string, unknown> } | undefined;
}

interface Monitor {
  registerResource(request: RegisterRequest, callback: unknown): unknown;
}

/**
 * Runs `program` with mocks and returns every resource it registered, in order.
 *
 * @param options.preview computed values are unknown, as at a first preview.
 * @param options.creating waited for before a resource is there for others: how long it takes.
 */
export async function registrationsOf(
  program: () => unknown,
  options: { preview?: boolean; calls?: Calls; stack?: string; creating?: (name: string) => Promise<void> } = {},
): Promise<Registration[]> {
  const preview = options.preview ?? false;
  await pulumi.runtime.setMocks(
    {
      newResource: async ({ name, inputs }) => {
        await options.creating?.(name);
        return {
          id: preview ? "" : `${name}-id`,
          state: preview ? (inputs as Record<string, unknown>) : withComputed(name, inputs as Record<string, unknown>),
        };
      },
      call: ({ token, inputs }) => {
        const answer = options.calls?.[token];
        if (answer === undefined) {
          throw new Error(`no answer for look-up ${token}`);
        }
        return answer(inputs as Record<string, unknown>);
      },
    },
    "buildkite-scale-to-zero",
    options.stack ?? "test",
    preview,
  );
  const registrations: Registration[] = [];
  const monitor = (pulumi.runtime as unknown as { getMonitor(): Monitor }).getMonitor();
  const original = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, callback) => {
    registrations.push(registrationOf(request));
    return original(request, callback);
  };
  await program();
  // Not in the declarations: drains every registration, those of dependent resources too.
  await (pulumi.runtime as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs();
  return registrations.filter(({ type }) => type !== "pulumi:pulumi:Stack");
}

/** What a provider would fill in and other resources refer to: names, addresses. */
function withComputed(name: string, inputs: Record<string, unknown>): Record<string, unknown> {
  const metadata = inputs["metadata"] as { name?: string } | undefined;
  return {
    ...inputs,
    name: inputs["name"] ?? `${name}-abc1234`,
    ...(metadata === undefined && inputs["kind"] === undefined
      ? { email: `${name}@example.iam.gserviceaccount.com`, member: `serviceAccount:${name}`, address: "203.0.113.1" }
      : { metadata: { ...metadata, name: metadata?.name ?? `${name}-abc1234` } }),
  };
}

function registrationOf(request: RegisterRequest): Registration {
  const secretPaths: string[] = [];
  const inputs = unwrap(request.getObject()?.toJavaScript() ?? {}, "", secretPaths) as Record<string, unknown>;
  return {
    type: request.getType(),
    name: request.getName(),
    inputs,
    parent: request.getParent(),
    ignoreChanges: request.getIgnorechangesList(),
    protect: request.getProtect(),
    retainOnDelete: request.getRetainondelete(),
    provider: request.getProvider(),
    dependencies: request.getDependenciesList(),
    secretPaths,
  };
}

function unwrap(value: unknown, path: string, secretPaths: string[]): unknown {
  if (Array.isArray(value)) {
    return value.map((item, index) => unwrap(item, `${path}[${index}]`, secretPaths));
  }
  if (value === null || typeof value !== "object") {
    return value;
  }
  const record = value as Record<string, unknown>;
  if (record[SECRET_KEY] === SECRET_VALUE) {
    secretPaths.push(path);
    return unwrap(record["value"], path, secretPaths);
  }
  return Object.fromEntries(
    Object.entries(record).map(([key, inner]) => [
      key,
      unwrap(inner, path === "" ? key : `${path}.${key}`, secretPaths),
    ]),
  );
}

/** The one registration of a type and name; throws when there is none, or more than one. */
export function only(registrations: readonly Registration[], type: string, name?: string): Registration {
  const found = registrations.filter((it) => it.type === type && (name === undefined || it.name === name));
  const [first] = found;
  if (first === undefined || found.length !== 1) {
    throw new Error(
      `${found.length} registrations of ${type} ${name ?? ""}; there are: ${registrations.map((it) => `${it.type} ${it.name}`).join(", ")}`,
    );
  }
  return first;
}
