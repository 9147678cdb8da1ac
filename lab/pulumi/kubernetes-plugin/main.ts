import { EngineLog } from "../provider-protocol/engine-log";
import { servePlugin } from "../provider-protocol/server";
import { KubernetesProvider } from "./provider";

const engine = process.argv
  .slice(2)
  .filter((argument) => !argument.startsWith("-"))
  .pop();
void servePlugin(new KubernetesProvider(new EngineLog(engine)));
