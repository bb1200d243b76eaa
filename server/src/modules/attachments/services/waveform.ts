/** A stretch of decoded sound: the samples of each channel, from -1 to 1. */
export type SoundPiece = readonly Float32Array[];

/** Slots that are kept while the end is not known: halved in number, and each twice as long, whenever they are full. */
const SLOTS = 4_096;

/** Samples of a slot at the beginning. */
const SLOT_SAMPLES = 64;

/**
 * How loud a recording is from beginning to end: so many steps, the loudest of all being 100. Memory does not grow with the
 * length. Null where there is nothing to hear about.
 *
 * @throws Error when decoding takes longer than it may, or fails.
 */
export async function measureLoudness(
  sound: AsyncIterable<SoundPiece>,
  steps: number,
  patienceMs: number,
): Promise<number[] | null> {
  const end = performance.now() + patienceMs;
  const peaks = new Peaks();
  for await (const piece of sound) {
    peaks.add(piece);
    if (performance.now() > end) throw new Error('decoding took too long');
  }
  return peaks.toLevels(steps);
}

class Peaks {
  readonly #slots = new Float32Array(SLOTS);
  #slotSamples = SLOT_SAMPLES;
  /** The slot that is being filled, and the samples in it. */
  #at = 0;
  #filled = 0;

  add(channels: SoundPiece): void {
    const length = channels[0]?.length ?? 0;
    for (let index = 0; index < length; index += 1) {
      let peak = 0;
      for (const channel of channels) peak = Math.max(peak, Math.abs(channel[index] ?? 0));
      // What is no number is louder than nothing.
      if (peak > this.#slots[this.#at]!) this.#slots[this.#at] = Math.min(1, peak);
      this.#filled += 1;
      if (this.#filled === this.#slotSamples) this.#next();
    }
  }

  toLevels(steps: number): number[] | null {
    const used = this.#at + (this.#filled > 0 ? 1 : 0);
    if (used === 0) return null;
    const loudest = this.#slots.subarray(0, used).reduce((most, level) => Math.max(most, level), 0);
    return Array.from({ length: steps }, (_, step) => {
      const from = Math.floor((step * used) / steps);
      const to = Math.max(from + 1, Math.floor(((step + 1) * used) / steps));
      const level = this.#slots.subarray(from, to).reduce((most, one) => Math.max(most, one), 0);
      return loudest === 0 ? 0 : Math.round((level / loudest) * 100);
    });
  }

  #next(): void {
    this.#filled = 0;
    this.#at += 1;
    if (this.#at < SLOTS) return;
    for (let slot = 0; slot < SLOTS / 2; slot += 1) {
      this.#slots[slot] = Math.max(this.#slots[slot * 2]!, this.#slots[slot * 2 + 1]!);
    }
    this.#slots.fill(0, SLOTS / 2);
    this.#at = SLOTS / 2;
    this.#slotSamples *= 2;
  }
}
