import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from "@grpc/grpc-js";
import { LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb";
import * as messages from "@pulumi/pulumi/proto/language_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { endWithParent } from "../provider-protocol/parent";
import { endPolicyPacks, runPolicyPack } from "./policy-pack";
import { endPrograms, runProgram } from "./program";

/**
 * A stand-in for `pulumi-language-nodejs`, for a CLI that was built from its Go module, which comes without one.
 *
 * Models: starting the program with the SDK's own `cmd/run` and telling the engine how it ended, which is all that
 * preview, up, refresh and destroy need, and running a policy pack with its `cmd/run-policy-pack`. Does not prove: the
 * official host, `pulumi about`, dependency installation, package managers, other plugins written in Node, debugging.
 */
export async function serveLanguageHost(engine: string): Promise<void> {
  endWithParent(() => {
    endPrograms();
    endPolicyPacks();
  });
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  server.addService(LanguageRuntimeService, {
    getPluginInfo: answer(() => new PluginInfo().setVersion("0.0.0")),
    getRequiredPlugins: answer(() => new messages.GetRequiredPluginsResponse()),
    getRequiredPackages: answer(() => new messages.GetRequiredPackagesResponse()),
    runPlugin: runPolicyPack,
    run: (
      call: ServerUnaryCall<messages.RunRequest, messages.RunResponse>,
      callback: sendUnaryData<messages.RunResponse>,
    ) => {
      runProgram(call.request, engine).then(
        (response) => {
          callback(null, response);
        },
        (error: unknown) => {
          callback(null, new messages.RunResponse().setError(String(error)));
        },
      );
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) {
        resolve(bound);
      } else {
        reject(error);
      }
    });
  });
  process.stdout.write(`${port}\n`);
}

function answer<Response>(make: () => Response) {
  return (_call: ServerUnaryCall<unknown, Response>, callback: sendUnaryData<Response>): void => {
    callback(null, make());
  };
}
