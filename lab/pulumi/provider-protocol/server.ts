import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from "@grpc/grpc-js";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { endWithParent } from "./parent";
import { plainProperties, type Properties } from "./property-values";
import type { CheckRequest, CheckResult, DiffResult, ResourceAddress, ResourceProvider } from "./provider";
import { rpcError } from "./rpc-error";

/**
 * Serves a provider to the engine as a plugin process does: on a free loopback port, whose number is the first line of
 * stdout. Ends with the engine.
 */
export async function servePlugin(provider: ResourceProvider): Promise<void> {
  endWithParent(() => {
    provider.cancel();
  });
  const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
  server.addService(ResourceProviderService, handlers(provider));
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

type Handler<Request, Response> = (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>) => void;

function unary<Request, Response>(answer: (request: Request) => Promise<Response>): Handler<Request, Response> {
  return (call, callback) => {
    answer(call.request).then(
      (response) => {
        callback(null, response);
      },
      (error: unknown) => {
        callback(rpcError(error), null);
      },
    );
  };
}

function handlers(provider: ResourceProvider) {
  return {
    getPluginInfo: unary(() => Promise.resolve(new PluginInfo().setVersion(provider.version))),
    getSchema: unary(() => {
      const schema = JSON.stringify({ name: provider.name, version: provider.version });
      return Promise.resolve(new messages.GetSchemaResponse().setSchema(schema));
    }),
    checkConfig: unary(async (request: messages.CheckRequest) =>
      checkResponse(await provider.checkConfig(checkRequest(request))),
    ),
    diffConfig: unary(async (request: messages.DiffRequest) =>
      diffResponse(await provider.diffConfig(diffRequest(request))),
    ),
    configure: unary(async (request: messages.ConfigureRequest) => {
      await provider.configure(plainProperties(properties(request.getArgs())));
      return new messages.ConfigureResponse().setAcceptsecrets(true).setSupportspreview(true).setAcceptoutputs(true);
    }),
    invoke: unary(async (request: messages.InvokeRequest) => {
      const result = await provider.invoke(request.getTok(), plainProperties(properties(request.getArgs())));
      return new messages.InvokeResponse().setReturn(struct(result));
    }),
    check: unary(async (request: messages.CheckRequest) => checkResponse(await provider.check(checkRequest(request)))),
    diff: unary(async (request: messages.DiffRequest) => diffResponse(await provider.diff(diffRequest(request)))),
    create: unary(async (request: messages.CreateRequest) => {
      const { id, state } = await provider.create({
        ...address(request),
        inputs: properties(request.getProperties()),
        timeoutSeconds: request.getTimeout(),
        preview: request.getPreview(),
      });
      return new messages.CreateResponse().setId(id).setProperties(struct(state));
    }),
    read: unary(async (request: messages.ReadRequest) => {
      const found = await provider.read({
        ...address(request),
        id: request.getId(),
        inputs: properties(request.getInputs()),
        state: properties(request.getProperties()),
      });
      const response = new messages.ReadResponse();
      if (found !== undefined) {
        response.setId(found.id).setProperties(struct(found.state)).setInputs(struct(found.inputs));
      }
      return response;
    }),
    update: unary(async (request: messages.UpdateRequest) => {
      const { state } = await provider.update({
        ...address(request),
        id: request.getId(),
        oldInputs: properties(request.getOldInputs()),
        oldState: properties(request.getOlds()),
        news: properties(request.getNews()),
        timeoutSeconds: request.getTimeout(),
        preview: request.getPreview(),
      });
      return new messages.UpdateResponse().setProperties(struct(state));
    }),
    delete: unary(async (request: messages.DeleteRequest) => {
      await provider.delete({
        ...address(request),
        id: request.getId(),
        oldInputs: properties(request.getOldInputs()),
        state: properties(request.getProperties()),
        timeoutSeconds: request.getTimeout(),
      });
      return new Empty();
    }),
    cancel: unary(() => {
      provider.cancel();
      return Promise.resolve(new Empty());
    }),
  };
}

function properties(wire: Struct | undefined): Properties {
  return wire?.toJavaScript() ?? {};
}

function struct(value: Properties): Struct {
  return Struct.fromJavaScript(value);
}

function address(request: { getUrn(): string; getType(): string; getName(): string }): ResourceAddress {
  return { urn: request.getUrn(), type: request.getType(), name: request.getName() };
}

function checkRequest(request: messages.CheckRequest): CheckRequest {
  return {
    ...address(request),
    olds: properties(request.getOlds()),
    news: properties(request.getNews()),
    randomSeed: request.getRandomseed_asU8(),
  };
}

function checkResponse({ inputs, failures }: CheckResult): messages.CheckResponse {
  const response = new messages.CheckResponse().setInputs(struct(inputs));
  for (const failure of failures) {
    response.addFailures(new messages.CheckFailure().setProperty(failure.property).setReason(failure.reason));
  }
  return response;
}

function diffRequest(request: messages.DiffRequest) {
  return {
    ...address(request),
    id: request.getId(),
    oldInputs: properties(request.getOldInputs()),
    oldState: properties(request.getOlds()),
    news: properties(request.getNews()),
    ignoreChanges: request.getIgnorechangesList(),
  };
}

const KINDS = {
  add: [messages.PropertyDiff.Kind.ADD, messages.PropertyDiff.Kind.ADD_REPLACE],
  delete: [messages.PropertyDiff.Kind.DELETE, messages.PropertyDiff.Kind.DELETE_REPLACE],
  update: [messages.PropertyDiff.Kind.UPDATE, messages.PropertyDiff.Kind.UPDATE_REPLACE],
} as const;

function diffResponse(result: DiffResult): messages.DiffResponse {
  const { DIFF_NONE, DIFF_SOME } = messages.DiffResponse.DiffChanges;
  const response = new messages.DiffResponse()
    .setChanges(result.differences.size === 0 ? DIFF_NONE : DIFF_SOME)
    .setReplacesList(result.replaces)
    .setDeletebeforereplace(result.deleteBeforeReplace)
    .setHasdetaileddiff(true);
  const roots = new Set<string>();
  for (const [path, { kind, keys }] of result.differences) {
    const replaces = result.replaces.includes(path);
    response
      .getDetaileddiffMap()
      .set(path, new messages.PropertyDiff().setKind(KINDS[kind][replaces ? 1 : 0]).setInputdiff(true));
    roots.add(String(keys[0]));
  }
  return response.setDiffsList([...roots]);
}
