// Random numbers that are the same for the same seed (mulberry32).
export class Random {
  constructor(seed) {
    this.state = seed | 0;
  }

  // In [0, 1).
  next() {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  // From 0 to limit - 1.
  int(limit) {
    return Math.floor(this.next() * limit);
  }

  chance(probability) {
    return this.next() < probability;
  }

  pick(list) {
    return list[this.int(list.length)];
  }

  // Each entry has a weight.
  pickWeighted(list) {
    let at = this.next() * list.reduce((sum, { weight }) => sum + weight, 0);
    return list.find(({ weight }) => (at -= weight) < 0) ?? list[list.length - 1];
  }

  some(list, probability) {
    return list.filter(() => this.chance(probability));
  }
}
