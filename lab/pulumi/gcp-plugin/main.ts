import { servePlugin } from "../provider-protocol/server";
import { GcpProvider } from "./provider";

const url = process.env["LAB_GCP_URL"];
if (url === undefined) {
  throw new Error("LAB_GCP_URL is not set: this plugin is a double that works only inside the lab");
}
void servePlugin(new GcpProvider(url));
