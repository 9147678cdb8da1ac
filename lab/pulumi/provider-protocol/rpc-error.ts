import { Metadata, status } from "@grpc/grpc-js";
import { ErrorResourceInitFailed } from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { Any } from "google-protobuf/google/protobuf/any_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { InitializationError } from "./provider";

/** An error as gRPC sends it. A failed initialisation carries the resource's state, so that the engine can keep it. */
export function rpcError(error: unknown) {
  const details = error instanceof Error ? error.message : String(error);
  if (!(error instanceof InitializationError)) {
    return { code: status.UNKNOWN, details };
  }
  const failed = new ErrorResourceInitFailed()
    .setId(error.id)
    .setReasonsList(error.reasons)
    .setProperties(Struct.fromJavaScript(error.state));
  if (error.inputs !== undefined) {
    failed.setInputs(Struct.fromJavaScript(error.inputs));
  }
  const detail = new Any();
  detail.pack(failed.serializeBinary(), "pulumirpc.ErrorResourceInitFailed");
  const rich = new Status().setCode(status.UNKNOWN).setMessage(details).setDetailsList([detail]);
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(rich.serializeBinary()));
  return { code: status.UNKNOWN, details, metadata };
}
