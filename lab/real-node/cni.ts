import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** How a node's pods are connected. */
export interface PodNetwork {
  /** Name of the node's bridge device. */
  bridge: string;
  subnet: string;
  mtu: number;
}

// containerd hears of a changed file at once; it does not say so anywhere we could look.
const reloadMilliseconds = 500;

/** Writes the CNI configuration of a node. Pods made from then on are connected so; containerd needs no restart. */
export async function writeCniConfiguration(folder: string, stateFolder: string, network: PodNetwork): Promise<void> {
  const configuration = {
    cniVersion: "1.0.0",
    name: network.bridge,
    plugins: [
      {
        type: "bridge",
        bridge: network.bridge,
        isGateway: true,
        hairpinMode: true,
        mtu: network.mtu,
        // The machine knows the way to every pod: nothing is masqueraded.
        ipMasq: false,
        ipam: {
          type: "host-local",
          ranges: [[{ subnet: network.subnet }]],
          routes: [{ dst: "0.0.0.0/0" }],
          dataDir: join(stateFolder, "networks"),
        },
      },
    ],
  };
  await mkdir(folder, { recursive: true });
  // In one step: containerd must not read half a file.
  const temporary = join(folder, ".writing");
  await writeFile(temporary, JSON.stringify(configuration));
  await rename(temporary, join(folder, "10-lab.conflist"));
}

/** Waits until containerd has read it. */
export async function cniReload(signal?: AbortSignal): Promise<void> {
  await sleep(reloadMilliseconds, undefined, signal === undefined ? {} : { signal });
}
