// What is asked for and pushed, too: an answer that was on its way does not undo what was heard or done since.

export class Asked {
  #ask;
  #take;
  #asked = 0;
  #taken = 0; // which of the answers
  #since = new Set(); // of each question under way, what was done since

  /** `take(answer)` changes what `do` changes. */
  constructor(ask, take) {
    this.#ask = ask;
    this.#take = take;
  }

  /** Ask for it. The answer is not taken if that to a later question was. */
  async anew() {
    const mine = ++this.#asked;
    const acts = [];
    this.#since.add(acts);
    try {
      const answer = await this.#ask();
      if (mine <= this.#taken) return;
      this.#taken = mine;
      this.#take(answer);
      for (const act of acts) act();
    } finally {
      this.#since.delete(acts);
    }
  }

  /** Do it now, and again when what was asked for before is answered. */
  do(act) {
    for (const acts of this.#since) acts.push(act);
    act();
  }

  /** What was asked for before is nobody's. */
  clear() {
    this.#taken = this.#asked;
  }
}
