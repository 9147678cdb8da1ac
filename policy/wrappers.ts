/**
 * Programs that start the one their arguments name: which of their options take a word, and what stands before that
 * program.
 */
const USAGES = new Map(
  Object.entries({
    ".": "",
    builtin: "",
    busybox: "",
    catatonit: "",
    chroot: "ROOT",
    // Of a name behind these it only tells what it is.
    command: "-V -v",
    coproc: "",
    dind: "",
    doas: "-C -u",
    "docker-init": "-e -p",
    "dumb-init": "-r --rewrite",
    env: "-C -u --chdir --unset",
    exec: "-a",
    flock: "-E -w --timeout FILE",
    gosu: "USER",
    ionice: "-c -n --class --classdata",
    nice: "-n --adjustment",
    nohup: "",
    nsenter: "-t --target",
    rootlesskit: "",
    runuser: "-G -g -u --group --user",
    setpriv: "--groups --regid --reuid",
    setsid: "",
    source: "",
    stdbuf: "-e -i -o --error --input --output",
    "su-exec": "USER",
    sudo: "-C -D -g -R -T -u --group --user",
    taskset: "MASK",
    time: "-f -o",
    timeout: "-k -s --kill-after --signal DURATION",
    tini: "-e -p",
    unshare: "",
    xargs: "-a -d -E -I -L -n -P -s",
  }).map(([name, usage]) => {
    const words = usage.split(" ").filter((word) => word !== "");
    const options = words.filter((word) => word.startsWith("-"));
    return [name, { options, operands: words.length - options.length }];
  }),
);

/** Index of the program that the wrapper at this index starts; undefined where it is none. */
export function behindWrapper(words: readonly string[], at: number): number | undefined {
  const usage = USAGES.get(baseName(words[at]));
  return usage && behindOptions(words, at + 1, usage.options) + usage.operands;
}

/** Index of the first word that is no option, nor the word of one that takes a word. */
export function behindOptions(words: readonly string[], from: number, taking: readonly string[]): number {
  let at = from;
  for (let option = words[at]; option !== undefined && /^[-+]/.test(option); option = words[at]) {
    at += takesWord(option, taking) ? 2 : 1;
  }
  return at;
}

/** `-eo pipefail` are the options e and o. */
function takesWord(option: string, taking: readonly string[]): boolean {
  return taking.includes(option.replace(/^[-+][A-Za-z]*([A-Za-z])$/, "-$1"));
}

/** A program's name without its folder; empty for what is no path. */
export function baseName(path = ""): string {
  return /\s/.test(path) ? "" : (path.split("/").pop() ?? "");
}
