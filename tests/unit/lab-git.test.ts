import assert from "node:assert/strict";
import { repositoryOf } from "../../lab/git/objects";
import { GitServer } from "../../lab/git";

describe("the lab's git server", () => {
  it("makes the objects that git makes", () => {
    // git hash-object and git write-tree over the same files.
    const { objects } = repositoryOf({ "hello.txt": "hello\n" });
    assert.ok(objects.has("ce013625030ba8dba906f756967f9e9ca394464a"), "the blob");
    assert.ok(objects.has("aaa96ced2d9a1c8e72c56b253a0e2fe78393feb7"), "the tree");
  });

  it("gives equal files an equal commit, others another", () => {
    const first = repositoryOf({ a: "1", "b/c": "2" }).commit;
    assert.equal(repositoryOf({ a: "1", "b/c": "2" }).commit, first);
    assert.notEqual(repositoryOf({ a: "1", "b/c": "3" }).commit, first);
  });

  it("serves refs and objects, and 404 for the rest", async () => {
    const server = new GitServer();
    await server.start();
    try {
      const commit = server.add("web", { "hello.txt": "hello\n" });
      const refs = await fetch(`${server.urlOf("web")}/info/refs?service=git-upload-pack`);
      assert.equal(await refs.text(), `${commit}\trefs/heads/main\n`);
      assert.equal(refs.headers.get("content-type"), "text/plain");
      const object = `${server.urlOf("web")}/objects/${commit.slice(0, 2)}/${commit.slice(2)}`;
      assert.equal((await fetch(object)).status, 200);
      for (const path of ["web.git/config", "other.git/HEAD", "web.git/objects/00/00", ""]) {
        assert.equal((await fetch(`${new URL(server.urlOf("web")).origin}/${path}`)).status, 404, path);
      }
    } finally {
      await server.stop();
    }
  });
});
