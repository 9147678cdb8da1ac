import { createHash } from "node:crypto";
import { deflateSync } from "node:zlib";

/** Files of one commit: text by path; a text that begins with `#!` is executable. */
export type RepositoryFiles = Readonly<Record<string, string>>;

/** A repository with one commit, as loose objects. */
export interface RepositoryObjects {
  /** The commit's id. */
  readonly commit: string;
  /** Compressed objects by their 40-digit id. */
  readonly objects: ReadonlyMap<string, Buffer>;
}

/** Fixed, so that equal files give an equal commit. */
const AUTHOR = "Keith Pitt <keith@example.com> 1700000000 +0000";

/** Writes files as the objects that git itself would make of them, with one commit on top. */
export function repositoryOf(files: RepositoryFiles): RepositoryObjects {
  const objects = new Map<string, Buffer>();
  const store = (type: string, content: Buffer): string => {
    const object = Buffer.concat([Buffer.from(`${type} ${content.length}\0`), content]);
    const id = createHash("sha1").update(object).digest("hex");
    objects.set(id, deflateSync(object));
    return id;
  };
  const tree = storeTree(Object.entries(files), store);
  const text = `tree ${tree}\nauthor ${AUTHOR}\ncommitter ${AUTHOR}\n\nAdd login form\n`;
  return { commit: store("commit", Buffer.from(text)), objects };
}

function storeTree(files: readonly (readonly [string, string])[], store: (type: string, content: Buffer) => string) {
  const folders = new Map<string, [string, string][]>();
  const entries: { name: string; order: string; bytes: Buffer }[] = [];
  const add = (mode: string, name: string, id: string, order: string): void => {
    entries.push({ name, order, bytes: Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, "hex")]) });
  };
  for (const [path, text] of files) {
    const slash = path.indexOf("/");
    if (slash >= 0) {
      const folder = path.slice(0, slash);
      folders.set(folder, [...(folders.get(folder) ?? []), [path.slice(slash + 1), text]]);
    } else {
      add(text.startsWith("#!") ? "100755" : "100644", path, store("blob", Buffer.from(text)), path);
    }
  }
  for (const [name, inside] of folders) {
    // git sorts a folder as if its name ended in a slash.
    add("40000", name, storeTree(inside, store), `${name}/`);
  }
  entries.sort((a, b) => Buffer.compare(Buffer.from(a.order), Buffer.from(b.order)));
  return store("tree", Buffer.concat(entries.map(({ bytes }) => bytes)));
}
