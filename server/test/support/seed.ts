import { randomInt } from 'node:crypto';

/**
 * The seed of a file's property tests: another one in each run, or that of `PARLEY_TEST_SEED`. It belongs into their
 * titles, so that a run which found something names it.
 */
export const seed = Number(process.env.PARLEY_TEST_SEED ?? randomInt(2 ** 31));
