import { version } from "../package.json";
import { openAgentTokens } from "./buildkite/agent-tokens";
import { startDispatcher } from "./dispatcher";
import { readEnvironment, type Environment } from "./environment";
import { createLog, messageOf, type Log } from "./log";
import { lineWriter } from "./log-output";
import { serviceAccountConnection } from "./service-account";
import { openTls } from "./tls";
import { openWebhookSecrets } from "./webhook-secrets";

const log = createLog(lineWriter());

// Whoever reads our log may be gone before us.
process.stdout.on("error", () => undefined);

for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error: unknown) => {
    die("unexpected error", error);
  });
}

main(log).catch((error: unknown) => {
  die("cannot start", error);
});

async function main(log: Log): Promise<void> {
  const environment = readEnvironment(process.env);
  const { settings, podName, serviceAccount, apiServer } = environment;
  sayMode(environment);
  const secrets = await openWebhookSecrets(environment.webhookSecrets, log);
  const { agentToken } = environment;
  const agentTokens = agentToken === undefined ? undefined : await openAgentTokens(agentToken, log);
  const tls = environment.tls === undefined ? undefined : await openTls(environment.tls, log);
  const { jobTokensTls } = environment;
  const tokensTls = jobTokensTls === undefined ? undefined : await openTls(jobTokensTls, log);
  const dispatcher = await startDispatcher({
    ...{ settings, secrets, agentTokens, log, podName, version, tls: tls?.current },
    connection: serviceAccountConnection(serviceAccount, apiServer.host, apiServer.port),
    port: environment.port,
    operationsPort: environment.operationsPort,
    jobTokens: tokensTls && { port: environment.jobTokensPort, tls: tokensTls.current },
    listenAddress: environment.listenAddress,
    processMetrics: true,
    onFatal: (error) => {
      die("a watch has ended for good", error);
    },
  });
  tls?.onChange(() => {
    dispatcher.renewTls();
  });
  tokensTls?.onChange(() => {
    dispatcher.renewJobTokensTls();
  });
  const stop = (signal: string): void => {
    log.info("signal", { signal });
    dispatcher.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        die("cannot stop in an orderly way", error);
      },
    );
  };
  // A second one changes nothing: what was acknowledged is finished, in bounded time.
  process.on("SIGTERM", stop).on("SIGINT", stop);
}

function sayMode({ settings, podName }: Environment): void {
  log.info("start", {
    ...{ version, pod: podName, node: process.version, mode: settings.mode, namespace: settings.agentsNamespace },
    queues: settings.queues.map(({ key }) => key),
    mayLose:
      settings.mode === "reconcile"
        ? undefined
        : "webhook-only: a webhook that never arrives, and a job answered 202 and still held in memory when this process " +
          "is killed (SIGKILL, node failure), get no Job; start those builds again at Buildkite",
  });
}

function die(event: string, error: unknown): never {
  log.error(event, { error: messageOf(error) });
  process.exit(1);
}
