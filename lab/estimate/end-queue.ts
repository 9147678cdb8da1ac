/** What ends when, soonest first; for the few dozen things that run at one time. */
export class EndQueue<T> {
  /** Latest first, so that the soonest is taken off the end. */
  private readonly items: { readonly at: number; readonly item: T }[] = [];

  /** When the first ends; Infinity when nothing runs. */
  get first(): number {
    return this.items.at(-1)?.at ?? Infinity;
  }

  add(at: number, item: T): void {
    let place = this.items.length;
    while (place > 0 && (this.items[place - 1]?.at ?? Infinity) < at) {
      place -= 1;
    }
    this.items.splice(place, 0, { at, item });
  }

  /** @throws RangeError when nothing runs. */
  take(): T {
    const last = this.items.pop();
    if (last === undefined) {
      throw new RangeError("nothing runs");
    }
    return last.item;
  }
}
