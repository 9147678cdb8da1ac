import type { Container, Probe } from "../kubelet/pod";
import { Prober } from "../kubelet/prober";

/** What follows from the probes' verdicts. */
export interface ProbeVerdicts {
  readonly onReady: (ready: boolean) => void;
  readonly onDead: () => void;
}

/** The readiness and liveness probes of one process, from its start to {@link stop}. */
export class PodProbes {
  private readonly probers: Prober[] = [];

  constructor(
    private readonly container: Container,
    private readonly ports: ReadonlyMap<string, number>,
    { onReady, onDead }: ProbeVerdicts,
  ) {
    const { readinessProbe, livenessProbe } = container;
    if (readinessProbe === undefined) {
      onReady(true);
    } else {
      this.begin(readinessProbe, false, onReady);
    }
    if (livenessProbe !== undefined) {
      this.begin(livenessProbe, true, (alive) => {
        if (!alive) {
          onDead();
        }
      });
    }
  }

  stop(): void {
    for (const prober of this.probers) {
      prober.stop();
    }
  }

  private begin(probe: Probe, verdict: boolean, onVerdict: (good: boolean) => void): void {
    const port = (wanted: string | number): number => {
      const named = this.container.ports?.find(({ containerPort }) => containerPort === wanted)?.name ?? String(wanted);
      return this.ports.get(named) ?? Number(wanted);
    };
    const prober = new Prober(probe, { host: "127.0.0.1", port }, verdict, onVerdict);
    this.probers.push(prober);
    prober.start();
  }
}
