import assert from "node:assert/strict";
import { ReadingLimits } from "../../policy/reading-limits";
import { commandsOf } from "../../policy/shell-script";

/** The commands of a script, one a line. */
function commands(script: string, parameters: readonly string[] = []): string[] {
  const variable = (name: string) => (name === "KNOWN" ? "a b" : undefined);
  return commandsOf(script, { parameters, variable, limits: new ReadingLimits() }).map((words) => words.join("|"));
}

describe("the policy pack's reading of a shell script", () => {
  for (const [what, script, ...expected] of [
    [
      "ends a command at ; & | and the end of a line",
      "a 1; b && c || d | e & f\ng",
      "a|1",
      "b",
      "c",
      "d",
      "e",
      "f",
      "g",
    ],
    ["goes on after a backslash at the end of a line", "a \\\n  b\\\nc", "a|bc"],
    ["removes quotes", `a --x="b c" 'd e'f g\\ h "i\\"j" ""`, 'a|--x=b c|d ef|g h|i"j|'],
    ["keeps what a quote holds together", `a "b; c & d" 'e | f'`, "a|b; c & d|e | f"],
    ["leaves comments out", "a b#c # d; e\n# f\ng", "a|b#c", "g"],
    ["leaves redirections out", "a >x 2>&1 b <y >> z c &>w d 3<>e f>g h 6>&-", "a|b|c|d|f|h"],
    ["leaves processes out that are read or written", "a > >(b c) d", "b|c", "a|d"],
    ["reads groups", "(a; b) && { c; }", "a", "b", "c"],
    [
      "leaves out the shell's own words, where they stand first",
      "if ! a; then b if; elif c; then d; else e; fi; while f; do until g; do h; done; done >i",
      "a",
      "b|if",
      "c",
      "d",
      "e",
      "f",
      "g",
      "h",
    ],
    ["reads functions", "a() { b; }; c ()\n{\n  d\n}; function e { f; }; function g() (h)", "b", "d", "f", "h"],
    [
      "leaves patterns out",
      "case $x in a) b ;; c | d) e; f ;& (g) (h) ;;\n# i)\n*) case y in\n j) k\n esac ;; esac; l",
      "b",
      "e",
      "f",
      "h",
      "k",
      "l",
    ],
    ["reads patterns in a command whose output is a word", "a $(case x in b) c ;; esac) d", "c", "a|$()|d"],
    ["knows a case of a variable that is empty", "E=; case $E in a) b ;; esac", "E=", "b"],
    ["takes case for a word where it is one", "a case b in c; d", "a|case|b|in|c", "d"],
    [
      "reads a command whose output is a word",
      'a $(b $(c)) "d$(e "f g")h" `i j` k',
      "c",
      "b|$()",
      "e|f g",
      "i|j",
      "a|$()|d$()h|$()|k",
    ],
    ["replaces variables, in words of their own only without quotes", 'a $KNOWN "$KNOWN" ${KNOWN}c', "a|a|b|a b|a|bc"],
    ["keeps a variable that is not known", 'a $X "${X}" $? ${X%/*}', "a|$X|${X}|$?|${X%/*}"],
    [
      "takes what stands for a variable that is not known",
      "a ${X:-b c} ${X-d} ${KNOWN:+e} ${1:-f} ${@:-g}",
      "a|b|c|d|e|f|g",
    ],
    ["follows assignments", 'A=1; B="$A 2"; C=$B\na $A $B "$C"', "A=1", "B=1 2", "C=1 2", "a|1|1|2|1 2"],
    ["ends with a quote that nobody closes", `a "b 'c`, "a|b 'c"],
  ] as const) {
    it(what, () => {
      assert.deepEqual(commands(script), expected);
    });
  }

  it("replaces parameters, and follows set", () => {
    assert.deepEqual(commands('"$0" "$@" $1x ${2} $3; set -- "$@" d; a "$*"', ["a", "b", "c"]), [
      "a|b|c|bx|c",
      "set|--|b|c|d",
      "a|b|c|d",
    ]);
  });
});
