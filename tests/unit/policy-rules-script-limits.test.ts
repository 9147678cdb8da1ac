import { dindMemory } from "../../policy/rules/dind-memory";
import { dindUnixSocket } from "../../policy/rules/dind-unix-socket";
import { dindPod } from "../policy/dind-pod";
import { allows, refuses } from "../policy/verdicts";

/** A shell, and what it runs, in a container without bounds. */
function script(text: string, change: Record<string, unknown> = {}) {
  const env = [{ name: "SELF", value: 'eval "$SELF";'.repeat(10) }];
  return dindPod({ command: ["sh", "-c"], args: [text], env, resources: {}, ...change });
}

describe("the policy pack's reading of what no shell should be given", function () {
  // A reading that needs the square of a script's length takes seconds even on a machine that does nothing else.
  this.timeout(2000);

  const TCP = /dockerd is told to listen on tcp:/;
  const UNREAD = /container dind: the script in args\[0\] is too long or too nested to be read/;
  for (const [what, text] of Object.entries({
    "a variable doubled 14 times": `A="x x"; ${'A="$A $A"; '.repeat(14)} dockerd $A`,
    "a variable doubled 40 times": `A="x x"; ${'A="$A $A"; '.repeat(40)} dockerd $A`,
    "parameters doubled": `set -- "" ""; ${'set -- "$@" "$@"; '.repeat(40)} dockerd`,
    "120 kB of quotes in quotes": `echo '${'"a b" '.repeat(20_000)}'; dockerd`,
    "120 kB that an eval reads again": `eval "${'\\"a b\\" '.repeat(15_000)}"; dockerd`,
    "30,000 words": `dockerd ${"a ".repeat(30_000)}`,
    "a line that goes on in 60,000 more": "\\\n".repeat(60_000),
    "braces that nobody closes": "${A:-".repeat(20_000),
    "parentheses that nobody closes": "(".repeat(20_000),
    "commands in commands": "$(".repeat(4000),
    "commands in quotes in commands": '"$('.repeat(4000),
    "commands in groups in backticks": "`" + "(".repeat(4000) + "`",
    "a script that runs itself": 'eval "$SELF"',
  })) {
    it(`refuses it beside an image of dind, and takes it for no dind elsewhere: ${what}`, () => {
      refuses(dindUnixSocket, script(text), UNREAD);
      allows(dindMemory, script(text, { image: "buildkite/agent:3" }));
    });
  }

  it("says which field holds the script", () => {
    const text = "(".repeat(100);
    const env = [{ name: "SCRIPT", value: text }];
    refuses(dindUnixSocket, script("", { command: ["tini", "--", "sh", "-c", text] }), /script in command\[4\] is too/);
    refuses(dindUnixSocket, script("", { command: undefined, args: ["sh", "-c", text] }), /script in args\[2\] is too/);
    refuses(dindUnixSocket, script('eval "$SCRIPT"', { env }), UNREAD);
  });

  it("goes through any number of plain words", () => {
    const words = (word: string) => Array.from({ length: 30_000 }, () => word);
    for (const word of ["env", "--", "A=1", "$A", "dockerd-entrypoint.sh", "sh"]) {
      refuses(dindUnixSocket, dindPod({ command: ["env"], args: [...words(word), "dockerd", "-H=tcp://a"] }), TCP);
    }
    allows(dindUnixSocket, dindPod({ command: ["x"], args: words("dockerd") }));
    refuses(dindUnixSocket, dindPod({ args: ["dockerd", ...words("-H=tcp://a")] }), TCP);
  });

  it("reads what a long script of real life needs", () => {
    const text = `${"# A comment of forty letters and a half.\n".repeat(400)}dockerd --host=tcp://0.0.0.0:1234 $A`;
    refuses(dindUnixSocket, script(text, { env: [{ name: "A", value: "-D ".repeat(500) }] }), TCP);
    refuses(dindUnixSocket, script(`${"(".repeat(20)}dockerd -H tcp://0.0.0.0:1234${")".repeat(20)}`), TCP);
    refuses(dindUnixSocket, script(`${"(a) & ".repeat(100)}dockerd -H tcp://0.0.0.0:1234`), TCP);
  });
});
