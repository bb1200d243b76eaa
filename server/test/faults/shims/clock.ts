// Loaded into a node of the fault suite before anything else: its wall clock jumps when the suite says so. SIGUSR2 moves
// the clock on by the next of the steps below; after the last one it is right again. The monotonic clock stays as it is.

const STEPS_MS = [3_600_000, -3_600_000, 40_000, 0];

const RealDate = globalThis.Date;
let step = -1;

const now = (): number => RealDate.now() + (step < 0 ? 0 : STEPS_MS[step]!);

globalThis.Date = new Proxy(RealDate, {
  construct: (target, given, asked) => Reflect.construct(target, given.length === 0 ? [now()] : given, asked),
  apply: () => new RealDate(now()).toString(),
  get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
});

process.on('SIGUSR2', () => {
  step = (step + 1) % STEPS_MS.length;
});
