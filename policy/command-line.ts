/** A variable's name and its new value. */
export const ASSIGNMENT = /^([A-Za-z_]\w*)=([^]*)$/;

/** The shell's own words that a command may follow. */
const KEYWORDS = new Set("! { } do done elif else fi if then until while".split(" "));

/** The words of a shell command while it is being read, piece by piece. */
export class CommandLine {
  private words: string[] = [];
  private word: string | undefined;
  /** The next word is where a redirection leads. */
  private isTarget = false;
  /** How many `case` have begun and not ended. */
  private cases = 0;
  /** What comes is a pattern of the last of them, or its end. */
  isPattern = false;

  get isBetweenWords(): boolean {
    return this.word === undefined;
  }

  /** Whether the words of a variable that follows are words of their own. */
  get splits(): boolean {
    return this.words[0] !== "case" && !ASSIGNMENT.test(this.word ?? "");
  }

  append(text: string): void {
    this.word = (this.word ?? "") + text;
  }

  /** The first goes on with the word so far, the last may go on. */
  appendWords(words: readonly string[]): void {
    for (const [index, word] of words.entries()) {
      if (index > 0) {
        this.endWord();
      }
      this.append(word);
    }
  }

  endWord(): void {
    if (this.word !== undefined && !this.isTarget) {
      this.push(this.word);
    }
    this.isTarget &&= this.word === undefined;
    this.word = undefined;
  }

  /** After `)`: in `> >(tee log)` the group was the target. */
  endGroup(): void {
    this.endWord();
    this.isTarget = false;
  }

  redirect(): void {
    // The 2 of `2>&1` is no word.
    if (/^\d+$/.test(this.word ?? "")) {
      this.word = undefined;
    }
    this.endWord();
    this.isTarget = true;
  }

  /** A function's name and a pattern are no commands. The next one begins. */
  drop(): void {
    this.endWord();
    this.words = [];
    this.isPattern = false;
  }

  /** After `;;`, where a `case` has not ended. */
  beginPattern(): void {
    this.isPattern = this.cases > 0;
  }

  /** All of them, but none of a pattern. The next command begins, or the pattern goes on. */
  takeWords(): readonly string[] {
    this.endGroup();
    const { words } = this;
    this.words = [];
    return this.isPattern ? [] : words;
  }

  private push(word: string): void {
    if (this.words.length === 0 && word === "esac") {
      this.cases = Math.max(0, this.cases - 1);
      this.isPattern = false;
    } else if (this.words.length > 0 || !KEYWORDS.has(word)) {
      this.words.push(word);
    }
    const [first] = this.words;
    if (first === "function" && this.words.length === 2) {
      this.words = [];
    } else if (first === "case" && this.words.length > 2 && word === "in") {
      this.words = [];
      this.cases += 1;
      this.isPattern = true;
    }
  }
}
