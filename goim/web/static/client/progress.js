// Which numbers of a conversation were shown, so that each is shown once and in order, whatever way it came.

/** Numbers 1, 2, 3 …: everything up to `upto` was shown, and some beyond it. */
export class Count {
  #beyond = new Set();

  constructor(upto = 0) {
    this.upto = upto;
  }

  has(number) {
    return number <= this.upto || this.#beyond.has(number);
  }

  /** Whether something below `number` is missing. */
  leavesGap(number) {
    for (let lower = this.upto + 1; lower < number; lower++) if (!this.#beyond.has(lower)) return true;
    return false;
  }

  add(number) {
    if (number > this.upto) this.#beyond.add(number);
    this.#join();
  }

  /** Nothing that is missing up to `number` will come any more. */
  skipTo(number) {
    this.upto = Math.max(this.upto, number);
    for (const each of this.#beyond) if (each <= this.upto) this.#beyond.delete(each);
    this.#join();
  }

  #join() {
    while (this.#beyond.delete(this.upto + 1)) this.upto += 1;
  }
}

/** Of one conversation: its messages by `seq`, its changes by `change`. */
export class Progress {
  constructor(seq = 0, change = 0) {
    this.messages = new Count(seq);
    this.changes = new Count(change);
  }

  isAt(seq, change) {
    return seq <= this.messages.upto && change <= this.changes.upto;
  }
}
