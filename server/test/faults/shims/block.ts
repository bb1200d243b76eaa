// Loaded into a node of the fault suite: SIGWINCH blocks its event loop, half a second the first time, three the second,
// and so on in turn.

const BLOCKS_MS = [500, 3_000];

let next = 0;

process.on('SIGWINCH', () => {
  const ms = BLOCKS_MS[next++ % BLOCKS_MS.length]!;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
});
