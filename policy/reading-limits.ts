const MOST_CHARACTERS = 20_000;
const MOST_LEVELS = 50;

/** A script that goes beyond the limits. */
export class UnreadableScript extends Error {}

/**
 * What is read of one container's scripts, all of them together: enough for every script that people wrote, and done in
 * no time. A few lines can double a variable until no memory holds it.
 */
export class ReadingLimits {
  private characters = MOST_CHARACTERS;
  private levels = MOST_LEVELS;

  /** Before so many characters are read, or put in a variable's place. */
  spend(characters: number): void {
    this.characters -= characters;
    if (this.characters < 0) {
      throw new UnreadableScript();
    }
  }

  /** Reads what stands inside what is being read. */
  nested<T>(read: () => T): T {
    if (this.levels === 0) {
      throw new UnreadableScript();
    }
    this.levels -= 1;
    const result = read();
    this.levels += 1;
    return result;
  }
}
