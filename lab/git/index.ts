/**
 * A git server over plain HTTP, read-only, with repositories that hold one commit on `main`.
 *
 * Models: what a `git clone` and `git fetch` of an ordinary client need (the "dumb" protocol: refs and loose objects as
 * files). Does not prove: the smart protocol, shallow clones, credentials, or a host's own limits.
 */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { repositoryOf, type RepositoryFiles, type RepositoryObjects } from "./objects";

export type { RepositoryFiles } from "./objects";

/** See the top of this file. */
export class GitServer {
  /** Requests answered, by path: tells whether anybody cloned. */
  readonly requests: string[] = [];
  private readonly repositories = new Map<string, RepositoryObjects>();
  private readonly server: Server;
  private base = "";

  constructor() {
    this.server = createServer((request, response) => {
      this.serve(new URL(request.url ?? "/", "http://localhost").pathname, response);
    });
  }

  /** Adds a repository. @returns the commit's id. */
  add(name: string, files: RepositoryFiles): string {
    const repository = repositoryOf(files);
    this.repositories.set(name, repository);
    return repository.commit;
  }

  /** What to clone: `http://<host>:<port>/<name>.git`, once started. */
  urlOf(name: string): string {
    return `${this.base}/${name}.git`;
  }

  /** Listens on a free port of the address; default loopback. */
  async start(host = "127.0.0.1"): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once("error", reject);
      this.server.listen(0, host, () => {
        this.server.off("error", reject);
        resolve();
      });
    });
    this.base = `http://${host}:${(this.server.address() as AddressInfo).port}`;
  }

  /** Closes the port and every connection. */
  async stop(): Promise<void> {
    if (this.server.listening) {
      await new Promise<void>((resolve) => {
        this.server.close(() => {
          resolve();
        });
        this.server.closeAllConnections();
      });
    }
  }

  private serve(path: string, response: ServerResponse): void {
    const [, name = "", file = ""] = /^\/([^/]+)\.git\/(.+)$/.exec(path) ?? [];
    const repository = this.repositories.get(name);
    const content = repository === undefined ? undefined : contentOf(repository, file);
    this.requests.push(path);
    response.writeHead(content === undefined ? 404 : 200, {
      // Without this type a client takes the answer for the smart protocol's.
      "Content-Type": file === "info/refs" ? "text/plain" : "application/octet-stream",
      "Content-Length": content?.length ?? 0,
    });
    response.end(content);
  }
}

function contentOf({ commit, objects }: RepositoryObjects, file: string): Buffer | undefined {
  if (file === "HEAD") {
    return Buffer.from("ref: refs/heads/main\n");
  }
  if (file === "info/refs") {
    return Buffer.from(`${commit}\trefs/heads/main\n`);
  }
  const [, first, rest] = /^objects\/([0-9a-f]{2})\/([0-9a-f]{38})$/.exec(file) ?? [];
  return first === undefined || rest === undefined ? undefined : objects.get(first + rest);
}
