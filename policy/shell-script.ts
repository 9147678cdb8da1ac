import { ASSIGNMENT, CommandLine } from "./command-line";
import type { ReadingLimits } from "./reading-limits";

/** What a shell knows before it reads a script. */
export interface ShellStart {
  /** `$0`, `$1` and so on. */
  readonly parameters: readonly string[];
  /** A variable of its environment; undefined where its value is not known. */
  readonly variable: (name: string) => string | undefined;
  readonly limits: ReadingLimits;
}

/**
 * Every command of a script, those inside `$(...)` included, each as its words: without quotes, comments and
 * redirections, and with variables replaced. What only a run can tell keeps its dollar sign.
 *
 * Read from top to bottom, as if every branch were taken.
 *
 * @throws UnreadableScript
 */
export function commandsOf(script: string, start: ShellStart): readonly (readonly string[])[] {
  const reader = new ScriptReader(script, start);
  reader.readCommands();
  return reader.commands;
}

/** Stands for the output of a command. */
const OUTPUT = "$()";

class ScriptReader {
  readonly commands: (readonly string[])[] = [];
  private readonly script: string;
  private at = 0;
  private parameters: readonly string[];
  private readonly assigned = new Map<string, string>();

  constructor(
    script: string,
    private readonly start: ShellStart,
  ) {
    start.limits.spend(script.length);
    // A line that goes on in the next one.
    this.script = script.replaceAll("\\\n", "");
    this.parameters = start.parameters;
  }

  /** To the end, or to the parenthesis that closes what has been opened. */
  readCommands(nested = false): void {
    const line = new CommandLine();
    while (this.at < this.script.length) {
      const literal = this.take(/\\([^])/y) ?? this.take(/'([^']*)'/y) ?? this.take(/"()"/y);
      if (literal !== undefined) {
        line.append(literal[1] ?? "");
      } else if (this.take(/"/y)) {
        this.readQuoted(line);
      } else if (this.take(/(?:&>>?|[<>]+[&|-]?)/y)) {
        line.redirect();
      } else if (this.take(/\(\s*\)/y)) {
        // Behind it is what a function does.
        line.drop();
      } else if (line.isPattern && this.take(/\(/y)) {
        line.endWord();
      } else if (this.take(/\(/y)) {
        this.readNested();
        line.endGroup();
      } else if (this.take(/\)/y)) {
        line.endWord();
        if (line.isPattern) {
          line.drop();
          continue;
        }
        this.finish(line);
        if (nested) {
          return;
        }
      } else if (this.take(/;[;&]+/y)) {
        this.finish(line);
        line.beginPattern();
      } else if (this.take(/[;&|\n]+/y)) {
        this.finish(line);
      } else if (this.take(/[ \t\r]+/y)) {
        line.endWord();
      } else if (!(line.isBetweenWords && this.take(/#[^\n]*/y)) && !this.readExpansion(line, false)) {
        line.append(this.take(/[^]/y)?.[0] ?? "");
      }
    }
    this.finish(line);
  }

  private readNested(): void {
    this.start.limits.nested(() => {
      this.readCommands(true);
    });
  }

  /** To the closing double quote. */
  private readQuoted(line: CommandLine): void {
    while (this.at < this.script.length && !this.take(/"/y)) {
      if (!this.readExpansion(line, true)) {
        line.append(this.take(/\\(["\\$`])/y)?.[1] ?? this.take(/[^"\\$`]+|[^]/y)?.[0] ?? "");
      }
    }
  }

  /** A variable or another command's output, where one comes next. */
  private readExpansion(line: CommandLine, quoted: boolean): boolean {
    if (this.take(/\$\(/y)) {
      this.readNested();
      line.append(OUTPUT);
      return true;
    }
    const backticks = this.take(/`((?:\\[^]|[^`\\])*)`/y);
    if (backticks !== undefined) {
      this.commands.push(...commandsOf(backticks[1] ?? "", this.start));
      line.append(OUTPUT);
      return true;
    }
    const variable = this.take(/\$(?:([A-Za-z_]\w*|[\d@*])|\{([A-Za-z_]\w*|\d+|[@*])(?::?([-=+])([^}]*))?\})/y);
    if (variable === undefined) {
      return false;
    }
    const [text, plain, braced = "", operator, alternative] = variable;
    const name = plain ?? braced;
    const word = alternative?.replaceAll(/["']/g, "");
    const known = this.lookUp(name);
    // As if every branch were taken: `${X:+word}` is the word.
    const value = operator === "+" || (known ?? "").length === 0 ? (word ?? known) : known;
    if (value === undefined) {
      line.append(text);
    } else if (typeof value !== "string") {
      this.start.limits.spend(value.join(" ").length);
      line.appendWords(value);
    } else {
      this.start.limits.spend(value.length);
      line.appendWords(line.splits && !quoted ? value.split(/\s+/).filter((field) => field !== "") : [value]);
    }
    return true;
  }

  /** All parameters for `@`; undefined where a value is not known. */
  private lookUp(name: string): string | readonly string[] | undefined {
    if (name === "@" || name === "*") {
      return this.parameters.slice(1);
    }
    return /^\d/.test(name)
      ? (this.parameters[Number(name)] ?? "")
      : (this.assigned.get(name) ?? this.start.variable(name));
  }

  private finish(line: CommandLine): void {
    const words = line.takeWords();
    if (words.length === 0) {
      return;
    }
    this.commands.push(words);
    if (words[0] === "set" && words[1] === "--") {
      this.parameters = [this.parameters[0] ?? "", ...words.slice(2)];
    }
    for (const word of words) {
      const [, name, value] = ASSIGNMENT.exec(word) ?? [];
      if (name !== undefined && value !== undefined) {
        this.assigned.set(name, value);
      }
    }
  }

  private take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.script);
    this.at = match === null ? this.at : pattern.lastIndex;
    return match ?? undefined;
  }
}
