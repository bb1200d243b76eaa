/**
 * What Node is told for a server that is in use (the Dockerfile says the same).
 *
 * - `--v8-pool-size=1`: one thread helps to collect garbage and to compile. Of the usual four each takes as much of the
 *   processor as the server does, and on a small machine a collection held it up for 100 to 250 ms.
 * - `--max-semi-space-size=32` (MiB): what is on its way through the server lives for some 50 ms, and is to die young. With
 *   the usual 16 MiB much of it grows old first, and the large collection comes more often.
 * - `--no-allocation-site-pretenuring`: V8 takes what lived long while many connected for what always will, and makes it old from
 *   the start. What it leads to lives on with it, until the next large collection: 2 to 3 KB of each message, and small collections
 *   took 12 ms in place of 5.
 */
export const SERVER_FLAGS = ['--v8-pool-size=1', '--max-semi-space-size=32', '--no-allocation-site-pretenuring'];
