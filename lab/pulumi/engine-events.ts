import { Server, ServerCredentials, type ServerReadableStream, type sendUnaryData } from "@grpc/grpc-js";
import { EventsService } from "@pulumi/pulumi/proto/events_grpc_pb";
import type { EventRequest } from "@pulumi/pulumi/proto/events_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";

/** What the engine says about one step (apitype.StepEventMetadata, the parts that are used). */
interface StepMetadata {
  op: string;
  urn: string;
  type: string;
  diffs?: string[] | null;
  detailedDiff?: Record<string, { diffKind: string }> | null;
}

/** One engine event (apitype.EngineEvent, the parts that are used). */
export interface EngineEvent {
  sequence: number;
  timestamp: number;
  resourcePreEvent?: { metadata: StepMetadata };
  resOutputsEvent?: { metadata: StepMetadata };
  resOpFailedEvent?: { metadata: StepMetadata };
  diagnosticEvent?: { urn?: string; message: string; severity: string; ephemeral?: boolean };
  summaryEvent?: { resourceChanges: Record<string, number>; result?: string };
}

/**
 * Receives the engine's events over loopback, in memory. Not through a file: the engine's debug messages can carry a
 * secret's base64 in clear, and they are dropped here before anything is kept.
 */
export class EngineEvents {
  readonly #server = new Server({ "grpc.max_receive_message_length": -1 });
  #events: EngineEvent[] = [];
  #listener: ((event: EngineEvent) => void) | undefined;
  #port = 0;

  async start(): Promise<void> {
    this.#server.addService(EventsService, {
      streamEvents: (call: ServerReadableStream<EventRequest, Empty>, callback: sendUnaryData<Empty>) => {
        call.on("data", (request: EventRequest) => {
          this.#receive(JSON.parse(request.getEvent()) as EngineEvent);
        });
        call.once("end", () => {
          callback(null, new Empty());
        });
        // A killed CLI breaks the stream; the operation's exit code tells that.
        call.once("error", () => undefined);
      },
    });
    this.#port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) {
          resolve(port);
        } else {
          reject(error);
        }
      });
    });
  }

  /** Value for `--event-log`. */
  get target(): string {
    return `tcp://127.0.0.1:${this.#port}`;
  }

  /** Starts a new operation's record. */
  begin(listener?: (event: EngineEvent) => void): void {
    this.#events = [];
    this.#listener = listener;
  }

  /** Events since {@link begin}, without debug messages. */
  get events(): readonly EngineEvent[] {
    return this.#events;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #receive(event: EngineEvent): void {
    if (event.diagnosticEvent?.severity !== "debug") {
      this.#events.push(event);
      this.#listener?.(event);
    }
  }
}
