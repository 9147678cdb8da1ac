import { randomUUID } from "node:crypto";
import type { Board } from "./board";
import { HttpProblem, jsonObject, type FakeRequest, type FakeResponse, type Route } from "./http-routes";

/**
 * What a real agent, or a command of the build, calls with the job's token while the job runs: meta-data whole (a
 * checkout stores its commit there), the rest so that a build goes on: annotations, pipeline uploads and artifacts are
 * accepted and thrown away, so a build that reads back an artifact finds none.
 */
export function jobApiRoutes(board: Board): Route[] {
  const route = (method: string, path: string, answer: (request: FakeRequest) => FakeResponse): Route => ({
    method,
    path: `/v3${path}`,
    handle: (request) => {
      board.jobCalledWith(request.params["id"] ?? "", request.token);
      return answer(request);
    },
  });
  const dataOf = (request: FakeRequest): Map<string, string> => {
    const { buildId } = board.job(request.params["id"] ?? "");
    const data = board.metaData.get(buildId) ?? new Map<string, string>();
    board.metaData.set(buildId, data);
    return data;
  };
  return [
    route("POST", "/jobs/:id/data/set", (request) => {
      put(dataOf(request), jsonObject(request));
      return { status: 200 };
    }),
    route("POST", "/jobs/:id/data/set-batch", (request) => {
      const { items } = jsonObject(request);
      for (const item of Array.isArray(items) ? (items as Record<string, unknown>[]) : []) {
        put(dataOf(request), item);
      }
      return { status: 200 };
    }),
    route("POST", "/jobs/:id/data/get", (request) => {
      const key = keyOf(jsonObject(request));
      const value = dataOf(request).get(key);
      if (value === undefined) {
        throw new HttpProblem(404, "No key found");
      }
      return { status: 200, body: { key, value } };
    }),
    route("POST", "/jobs/:id/data/exists", (request) => ({
      status: 200,
      body: { exists: dataOf(request).has(keyOf(jsonObject(request))) },
    })),
    route("POST", "/jobs/:id/data/keys", (request) => ({ status: 200, body: [...dataOf(request).keys()] })),
    route("POST", "/jobs/:id/annotations", () => ({ status: 200 })),
    route("DELETE", "/jobs/:id/annotations/:context", () => ({ status: 200 })),
    route("POST", "/jobs/:id/pipelines", () => ({ status: 200 })),
    route("PUT", "/jobs/:id", (request) => ({ status: 200, body: { id: request.params["id"] } })),
    route("PUT", "/jobs/:id/promise_failure", () => ({ status: 204 })),
    route("POST", "/jobs/:id/artifacts", artifactsAccepted),
    route("PUT", "/jobs/:id/artifacts", () => ({ status: 200 })),
    { method: "POST", path: "/artifact-uploads", handle: () => ({ status: 204 }) },
  ];
}

/** Each gets an id; the bytes go to a route of ours that forgets them. */
function artifactsAccepted(request: FakeRequest): FakeResponse {
  const { id, artifacts } = jsonObject(request);
  return {
    status: 200,
    body: {
      id,
      artifact_ids: (Array.isArray(artifacts) ? artifacts : []).map(() => randomUUID()),
      upload_instructions: {
        action: {
          url: `http://${request.headers.host ?? ""}`,
          method: "POST",
          path: "artifact-uploads",
          file_input: "file",
        },
        data: {},
      },
    },
  };
}

function put(data: Map<string, string>, item: Record<string, unknown>): void {
  const { value } = item;
  if (typeof value !== "string") {
    throw new HttpProblem(422, "value must be a text");
  }
  data.set(keyOf(item), value);
}

function keyOf({ key }: Record<string, unknown>): string {
  if (typeof key !== "string" || key === "") {
    throw new HttpProblem(422, "key must be a text");
  }
  return key;
}
