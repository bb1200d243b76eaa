/**
 * What Node is told for a server that is in use (the Dockerfile says the same).
 *
 * - `--v8-pool-size=1`: one thread helps to collect garbage and to compile. Of the usual four each takes as much of the
 *   processor as the server does, and on a small machine a collection held it up for 100 to 250 ms.
 * - `--max-semi-space-size=32` (MiB): what is on its way through the server lives for some 50 ms, and is to die young. With
 *   the usual 16 MiB much of it grows old first, and the large collection comes more often.
 */
export const SERVER_FLAGS = ['--v8-pool-size=1', '--max-semi-space-size=32'];
