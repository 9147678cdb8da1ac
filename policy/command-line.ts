/** A variable's name and its new value. */
export const ASSIGNMENT = /^([A-Za-z_]\w*)=([^]*)$/;

/** The words of a shell command while it is being read, piece by piece. */
export class CommandLine {
  private words: string[] = [];
  private word: string | undefined;
  /** The next word is where a redirection leads. */
  private isTarget = false;

  get isBetweenWords(): boolean {
    return this.word === undefined;
  }

  /** The word so far. Its shell does not split what follows. */
  get isAssignment(): boolean {
    return ASSIGNMENT.test(this.word ?? "");
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
    if (this.word === undefined) {
      return;
    }
    if (!this.isTarget) {
      this.words.push(this.word);
    }
    this.isTarget = false;
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

  /** All of them; the next command begins. */
  takeWords(): readonly string[] {
    this.endGroup();
    const { words } = this;
    this.words = [];
    return words;
  }
}
