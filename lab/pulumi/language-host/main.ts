import { serveLanguageHost } from "./server";

// The engine's address is the last argument that is no flag.
const engine = process.argv
  .slice(2)
  .filter((argument) => !argument.startsWith("-"))
  .pop();
if (engine === undefined) {
  throw new Error("the language host is started by the Pulumi engine, which passes its address");
}
void serveLanguageHost(engine);
