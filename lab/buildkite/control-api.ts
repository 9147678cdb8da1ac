import { NO_FAULTS, type Faults } from "./faults";
import { HttpProblem, jsonObject, type Route } from "./http-routes";
import type { BuildRequest, FakeJob } from "./job";

const NAMES = Object.keys(NO_FAULTS).join(", ");

/** What the control routes may do. */
export interface Controls {
  schedule(build: BuildRequest): FakeJob;
  jobs(): FakeJob[];
  cancel(id: string): void;
  setFaults(change: Partial<Faults>): Promise<void>;
  describeFaults(): string[];
}

/** Routes for a person with curl, when the lab is left running. Not part of any Buildkite API. */
export function controlRoutes(controls: Controls): Route[] {
  return [
    {
      method: "POST",
      path: "/builds",
      handle: (request) => {
        const { queue, seconds = 0, exitStatus, pipeline, command } = jsonObject(request);
        if (typeof queue !== "string" || queue === "") {
          throw new HttpProblem(422, `queue must be a queue's key, e.g. {"queue": "default", "seconds": 5}`);
        }
        if (typeof seconds !== "number" || !(seconds >= 0 && seconds <= 86_400)) {
          throw new HttpProblem(422, "seconds must be a number from 0 to 86400");
        }
        if (exitStatus !== undefined && !(Number.isInteger(exitStatus) && Number(exitStatus) >= 0)) {
          throw new HttpProblem(422, "exitStatus must be an integer of 0 or more");
        }
        if (command !== undefined && typeof command !== "string") {
          throw new HttpProblem(422, "command must be a text for the agent's shell");
        }
        const job = controls.schedule({
          queue,
          seconds,
          ...(typeof exitStatus === "number" ? { exitStatus } : {}),
          ...(typeof pipeline === "string" ? { pipeline } : {}),
          ...(command === undefined ? {} : { command }),
        });
        return { status: 201, body: { id: job.id, build: job.buildNumber, state: job.state } };
      },
    },
    {
      method: "GET",
      path: "/builds",
      handle: () => ({
        status: 200,
        body: controls.jobs().map(({ id, buildNumber, queue, state, command, result }) => ({
          id,
          build: buildNumber,
          queue,
          state,
          command,
          ...(result === undefined ? {} : { exitStatus: result.exitStatus }),
        })),
      }),
    },
    {
      method: "POST",
      path: "/builds/:id/cancel",
      handle: (request) => {
        controls.cancel(request.params["id"] ?? "");
        return { status: 202 };
      },
    },
    { method: "GET", path: "/faults", handle: () => ({ status: 200, body: controls.describeFaults() }) },
    {
      method: "PATCH",
      path: "/faults",
      handle: async (request) => {
        const change = jsonObject(request);
        for (const [name, value] of Object.entries(change)) {
          const sound: unknown = (NO_FAULTS as unknown as Record<string, unknown>)[name];
          if (typeof sound !== typeof value || Array.isArray(sound) !== Array.isArray(value)) {
            throw new HttpProblem(422, `${name}: no such fault, or not of its type; known are ${NAMES}`);
          }
        }
        if (change["outage"] === "refused") {
          throw new HttpProblem(422, "outage: refused would close this port, too; use reset");
        }
        try {
          await controls.setFaults(change);
        } catch (error) {
          throw new HttpProblem(422, error instanceof Error ? error.message : String(error));
        }
        return { status: 200, body: controls.describeFaults() };
      },
    },
  ];
}
