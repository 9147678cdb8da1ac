import { credentials } from "@grpc/grpc-js";
import { EngineClient } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";

/** Messages to the person at the CLI, shown beside the resource they are about. */
export class EngineLog {
  readonly #client: EngineClient | undefined;

  /** @param address the engine's; without one messages go nowhere (a provider that is tested by itself). */
  constructor(address?: string) {
    this.#client = address === undefined ? undefined : new EngineClient(address, credentials.createInsecure());
  }

  /** What is being waited for at the moment; the next status takes its place. */
  status(urn: string, message: string): void {
    this.#send(urn, LogSeverity.INFO, message, true);
  }

  info(urn: string, message: string): void {
    this.#send(urn, LogSeverity.INFO, message, false);
  }

  warning(urn: string, message: string): void {
    this.#send(urn, LogSeverity.WARNING, message, false);
  }

  #send(urn: string, severity: LogSeverity, message: string, ephemeral: boolean): void {
    const request = new LogRequest();
    request.setUrn(urn);
    request.setSeverity(severity);
    request.setMessage(message);
    request.setEphemeral(ephemeral);
    // A message that gets lost is no reason to fail an update.
    this.#client?.log(request, () => undefined);
  }
}
